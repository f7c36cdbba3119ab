// virtio-rng (VIRTIO 1.2, 5.4): buffers are filled with what the source gives.
#pragma once

#include <span>

#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

class Entropy final : public Model {
 public:
  using Source = std::function<void(std::span<u8>)>;
  Entropy(const machine::DeviceContext& context, std::string name, Source source);

 private:
  void kicked(unsigned queue) override;

  Source source_;
  Chain chain_;
};

}  // namespace tandem::devices::virtio
