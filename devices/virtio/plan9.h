// virtio-9p: shared folders (VIRTIO 1.2 lists the type; the transport is Linux' net/9p/trans_virtio.c's).
// Requests are served in the guest's memory.
#pragma once

#include "devices/backend/p9/server.h"
#include "devices/virtio/served_model.h"

namespace tandem::devices::virtio {

class Plan9 final : public ServedModel {
 public:
  // `tag`: what the guest mounts by. The server stays with the caller.
  Plan9(const machine::DeviceContext& context, std::string name, p9::Server& server, std::string_view tag);
  ~Plan9() override { stop_serving(); }

 private:
  u32 serve(unsigned queue, const Chain& chain) override;
  void stopped() override { server_.reset(); }
  void save_own(snapshot::StateWriter& writer) const override { writer(server_.state()); }
  std::function<void()> load_own(snapshot::StateReader& reader) override;

  p9::Server& server_;
};

}  // namespace tandem::devices::virtio
