#include "devices/virtio/vsock.h"

#include <algorithm>
#include <array>

#include "devices/backend/vsock/packet.h"

namespace tandem::devices::virtio {

using vsock::Header;
using vsock::kHeaderSize;

namespace {

// 5.10.2, 5.10.4
enum Queue : unsigned { kReceive, kTransmit, kEvents };
constexpr u64 kCidField = 0;
constexpr u32 kTransportReset = 0;
constexpr u16 kQueueSize = 256, kEventQueueSize = 16;

}  // namespace

Vsock::Vsock(const machine::DeviceContext& context, std::string name, NetBackend& backend, u64 guest_cid)
    : Model(context, {DeviceType::Vsock, std::move(name), 0x078000}, 0,
            {kQueueSize, kQueueSize, kEventQueueSize}),
      backend_(backend) {
  set_config(kCidField, guest_cid);
}

Vsock::~Vsock() { backend_.attach(nullptr); }

Result<void> Vsock::quiesce() {
  backend_.attach(nullptr);
  return {};
}

void Vsock::resume() {
  Model::resume();
  backend_.attach(this);
}

void Vsock::kicked(unsigned queue) {
  if (queue == kEvents) tell_event();
  else backend_.wake();
}

bool Vsock::deliver(Frame packet) {
  const auto held = lock();
  if (!ring(kReceive)) return true;  // no guest, no connection
  const u16 position = ring(kReceive)->position();
  const std::size_t count = take_room(packet.size() - kHeaderSize);
  if (count) give(packet, count);
  else if (ring(kReceive)) ring(kReceive)->rewind(position);
  return count || !ring(kReceive);
}

// Buffers for so much data, each with a header in front; 0: there are not enough.
std::size_t Vsock::take_room(u64 data) {
  u64 room = 0;
  for (std::size_t count = 0;;) {
    if (count == received_.size()) received_.emplace_back();
    if (!take(kReceive, received_[count])) return 0;
    const u64 size = received_[count++].to_write;
    if (size <= kHeaderSize) return fail(), 0;
    room += size - kHeaderSize;
    if (room >= data) return count;
  }
}

// Data may go in as many packets as there are buffers for it.
void Vsock::give(Frame packet, std::size_t count) {
  Header header = vsock::parse(packet);
  Frame data = packet.subspan(kHeaderSize);
  std::array<u8, kHeaderSize> bytes;
  for (std::size_t i = 0; i < count; ++i) {
    const Chain& c = received_[i];
    const u64 n = std::min<u64>(data.size(), c.to_write - kHeaderSize);
    header.length = static_cast<u32>(n);
    vsock::store(header, bytes);
    scatter(c.writable, 0, bytes);
    scatter(c.writable, kHeaderSize, data.first(n));
    data = data.subspan(n);
    ring(kReceive)->give_back(c, static_cast<u32>(kHeaderSize + n));
  }
  publish(kReceive);
}

void Vsock::collect(const FrameSink& out) {
  while (take_packet()) out(packet_);
}

bool Vsock::take_packet() {
  const auto held = lock();
  if (!take(kTransmit, sent_)) return false;
  if (sent_.to_read < kHeaderSize || sent_.to_read > kHeaderSize + vsock::kMaxData) return fail(), false;
  packet_.resize(sent_.to_read);
  gather(packet_, sent_.readable, 0);
  complete(kTransmit, sent_, 0);
  return true;
}

// 5.10.6.7
void Vsock::tell_event() {
  if (!lost_connections_ || !take(kEvents, event_)) return;
  std::array<u8, sizeof kTransportReset> bytes;
  store_le(bytes.data(), kTransportReset);
  scatter(event_.writable, 0, bytes);
  complete(kEvents, event_, bytes.size());
  lost_connections_ = false;
}

void Vsock::save_own(snapshot::StateWriter& writer) const { writer(lost_connections_); }

// A snapshot has no connections.
std::function<void()> Vsock::load_own(snapshot::StateReader& reader) {
  bool lost = false;
  reader(lost);
  return [this] { lost_connections_ = true; };
}

}  // namespace tandem::devices::virtio
