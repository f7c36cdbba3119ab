// virtio-vsock (VIRTIO 1.2, 5.10): packets between the guest's sockets and a back end.
#pragma once

#include "devices/backend/net/net_backend.h"
#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

class Vsock final : public Model, private NetPort {
 public:
  // The back end's frames are packets (backend/vsock). It stays with the caller.
  Vsock(const machine::DeviceContext& context, std::string name, NetBackend& backend, u64 guest_cid);
  ~Vsock() override;

  Result<void> quiesce() override;
  void resume() override;

 private:
  // NetPort [back end's thread]
  bool deliver(Frame packet) override;
  void collect(const FrameSink& out) override;

  void kicked(unsigned queue) override;
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;
  bool take_packet();
  std::size_t take_room(u64 data);
  void give(Frame packet, std::size_t count);
  void tell_event();

  NetBackend& backend_;
  bool lost_connections_ = false;  // the guest is to hear that none is left
  Chain sent_, event_;
  std::vector<u8> packet_;       // that is being sent
  std::vector<Chain> received_;  // for the packet that is being delivered; kept for their vectors
};

}  // namespace tandem::devices::virtio
