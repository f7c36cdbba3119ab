#include "devices/virtio/entropy.h"

#include <algorithm>

namespace tandem::devices::virtio {

namespace {

constexpr u16 kQueueSize = 64;
constexpr u64 kPiece = 256;  // a driver that wants more asks again

}  // namespace

Entropy::Entropy(const machine::DeviceContext& context, std::string name, Source source)
    : Model(context, {DeviceType::Entropy, std::move(name), 0x00ff00}, 0, {kQueueSize}),
      source_(std::move(source)) {}

void Entropy::kicked(unsigned queue) {
  while (take(queue, chain_)) {
    const u64 length = std::min(chain_.to_write, kPiece);
    u8 bytes[kPiece];
    source_(std::span(bytes).first(length));
    scatter(chain_.writable, 0, std::span(bytes).first(length));
    complete(queue, chain_, static_cast<u32>(length));
  }
}

}  // namespace tandem::devices::virtio
