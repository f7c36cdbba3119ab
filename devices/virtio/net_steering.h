// Which of several receive queues a frame goes to: that beside the transmit queue which its flow used last
// (VIRTIO 1.2, 5.1.6.5.6, automatic receive steering).
#pragma once

#include <array>
#include <span>

#include "core/base/types.h"

namespace tandem::devices::virtio {

class NetSteering {
 public:
  void sent(std::span<const u8> frame, unsigned pair) { pairs_[flow(frame)] = static_cast<u8>(pair); }
  unsigned pair_of(std::span<const u8> frame) const { return pairs_[flow(frame)]; }
  void clear() { pairs_.fill(0); }

 private:
  // The same for both directions of a connection.
  static u8 flow(std::span<const u8> frame);
  std::array<u8, 256> pairs_{};
};

}  // namespace tandem::devices::virtio
