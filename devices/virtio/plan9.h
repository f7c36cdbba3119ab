// virtio-9p: shared folders (VIRTIO 1.2 lists the type; the transport is Linux' net/9p/trans_virtio.c's).
// Requests are served on a thread of the device, in the guest's memory.
#pragma once

#include <condition_variable>
#include <thread>

#include "devices/backend/p9/server.h"
#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

class Plan9 final : public Model {
 public:
  // `tag`: what the guest mounts by. The server stays with the caller.
  Plan9(const machine::DeviceContext& context, std::string name, p9::Server& server, std::string_view tag);
  ~Plan9() override;

  Result<void> quiesce() override;

 private:
  void kicked(unsigned queue) override;
  void stopped() override { server_.reset(); }
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;
  void work();

  p9::Server& server_;
  Chain chain_;  // of the request under way; the thread's own
  // With the device's lock:
  std::condition_variable wanted_, rested_;
  bool kicked_ = false, busy_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace tandem::devices::virtio
