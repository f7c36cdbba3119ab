// virtio-net (VIRTIO 1.2, 5.1). Frames move on the back end's thread; vCPUs only wake it.
#pragma once

#include <array>

#include "devices/backend/net/net_backend.h"
#include "devices/virtio/model.h"
#include "devices/virtio/net_filter.h"
#include "devices/virtio/net_steering.h"

namespace tandem::devices::virtio {

class Net final : public Model, private NetPort {
 public:
  // pairs: of queues, for as many vCPUs. The back end stays with the caller.
  Net(const machine::DeviceContext& context, std::string name, NetBackend& backend, const MacAddress& mac,
      u16 pairs);
  ~Net() override;

  Result<void> quiesce() override;
  void resume() override;

 private:
  // NetPort [back end's thread]
  bool deliver(Frame frame) override;
  void collect(const FrameSink& out) override;

  void kicked(unsigned queue) override;
  void stopped() override;
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;
  bool take_frame(unsigned pair);
  bool fill(unsigned queue, Frame frame);
  unsigned control_queue() const;
  unsigned queue_for(Frame frame);
  bool obey(std::span<const u8> command);
  u64 header_size() const;
  void run_commands();

  NetBackend& backend_;
  const MacAddress mac_;
  const u16 pairs_;
  NetFilter filter_;
  u16 pairs_in_use_ = 1;
  NetSteering steering_;
  Chain sent_, command_;
  std::vector<u8> frame_;        // that is being sent
  std::vector<Chain> received_;  // of the frame that is being delivered; kept for their vectors
};

}  // namespace tandem::devices::virtio
