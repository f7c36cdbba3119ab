#include "devices/virtio/net.h"

#include "devices/virtio/net_checksum.h"

namespace tandem::devices::virtio {

namespace {

// 5.1.3
constexpr u64 kChecksum = 1 << 0, kGuestChecksum = 1 << 1, kMtu = 1 << 3, kMac = 1 << 5, kHostTso4 = 1 << 11,
              kHostTso6 = 1 << 12, kHostEcn = 1 << 13, kMergeable = 1 << 15, kStatus = 1 << 16,
              kControl = 1 << 17, kControlRx = 1 << 18, kControlRxExtra = 1 << 20, kControlMac = 1 << 23;
// 5.1.4
constexpr u64 kMacField = 0, kStatusField = 6, kPairsField = 8, kMtuField = 10;
constexpr u16 kLinkUp = 1;
// 5.1.6: the header in front of each frame, and where its last field is.
constexpr u64 kShortHeader = 10, kHeader = 12, kBufferCount = 10;
constexpr u8 kDataValid = 2;
constexpr u8 kCommandOk = 0, kCommandError = 1;
constexpr u64 kMaxCommand = 8 * KiB;

enum Queue : unsigned { kReceive, kTransmit, kCommands };
constexpr u16 kQueueSize = 1024, kCommandQueueSize = 64;

u64 features_of(const NetTraits& traits) {
  const u64 large = traits.large_segments ? kHostTso4 | kHostTso6 | kHostEcn : 0;
  const u64 good = traits.good_checksums ? kGuestChecksum : 0;
  return large | good | kChecksum | kMtu | kMac | kMergeable | kStatus | kControl | kControlRx |
         kControlRxExtra | kControlMac;
}

}  // namespace

Net::Net(const machine::DeviceContext& context, std::string name, NetBackend& backend, const MacAddress& mac)
    : Model(context, {DeviceType::Net, std::move(name), 0x020000}, features_of(backend.traits()),
            {kQueueSize, kQueueSize, kCommandQueueSize}),
      backend_(backend),
      mac_(mac),
      filter_({.mac = mac, .table = {}}) {
  set_config(kMacField, mac);
  set_config<u16>(kStatusField, kLinkUp);
  set_config<u16>(kPairsField, 1);
  set_config<u16>(kMtuField, backend.traits().mtu);
}

Net::~Net() { backend_.attach(nullptr); }

// Frames that arrive meanwhile are lost, as they would be on a wire.
Result<void> Net::quiesce() {
  backend_.attach(nullptr);
  return {};
}

void Net::resume() {
  Model::resume();
  backend_.attach(this);
}

void Net::kicked(unsigned queue) {
  if (queue == kCommands) run_commands();
  else backend_.wake();
}

void Net::stopped() { filter_ = {.mac = mac_, .table = {}}; }

// 5.1.6.1: the last field is there with VERSION_1 or mergeable buffers.
u64 Net::header_size() const { return has(kVersion1) || has(kMergeable) ? kHeader : kShortHeader; }

bool Net::deliver(Frame frame) {
  const auto held = lock();
  if (!ring(kReceive) || !filter_.takes(frame)) return true;
  return fill(frame);
}

// Takes as many buffers as the frame needs, one without mergeable buffers; all or none. 5.1.6.4.
bool Net::fill(Frame frame) {
  u8 header[kHeader] = {};
  if (has(kGuestChecksum)) header[0] = kDataValid;
  const u64 header_bytes = header_size(), total = header_bytes + frame.size();
  const u16 position = ring(kReceive)->position();
  u64 room = 0;
  std::size_t count = 0;
  while (room < total) {
    if (count && !has(kMergeable)) break;
    if (count == received_.size()) received_.emplace_back();
    if (!take(kReceive, received_[count])) {
      if (ring(kReceive)) ring(kReceive)->rewind(position);
      return false;
    }
    room += received_[count++].to_write;
  }
  if (received_[0].to_write < header_bytes) return fail(), true;
  store_le(header + kBufferCount, static_cast<u16>(count));
  // A frame that is too long for its one buffer is lost, the buffer is not.
  const bool fits = room >= total;
  u64 done = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Chain& c = received_[i];
    u64 at = 0;
    if (i == 0) {
      scatter(c.writable, 0, std::span(header).first(header_bytes));
      at = header_bytes;
    }
    const u64 n = fits ? std::min<u64>(c.to_write - at, frame.size() - done) : 0;
    scatter(c.writable, at, frame.subspan(done, n));
    done += n;
    ring(kReceive)->give_back(c, static_cast<u32>(at + n));
  }
  publish(kReceive);
  return true;
}

void Net::collect(const FrameSink& out) {
  while (take_frame())
    if (!frame_.empty()) out(frame_);
}

// The next frame that the guest sends, as it has to be on the wire; empty where it was none.
bool Net::take_frame() {
  const auto held = lock();
  if (!take(kTransmit, sent_)) return false;
  const u64 header_bytes = header_size();
  if (sent_.to_read < header_bytes) return fail(), false;
  const u64 length = sent_.to_read - header_bytes;
  frame_.resize(length <= kMaxFrame ? length : 0);
  u8 header[kHeader] = {};
  gather(std::span(header).first(header_bytes), sent_.readable, 0);
  gather(frame_, sent_.readable, header_bytes);
  complete_checksum(header, frame_);
  complete(kTransmit, sent_, 0);
  return true;
}

void Net::run_commands() {
  while (take(kCommands, command_)) {
    if (command_.to_write < 1) return fail();
    std::vector<u8> bytes(std::min(command_.to_read, kMaxCommand));
    gather(bytes, command_.readable, 0);
    const bool good = filter_.obey(bytes);
    scatter(command_.writable, 0, std::array{good ? kCommandOk : kCommandError});
    complete(kCommands, command_, 1);
  }
}

void Net::save_own(snapshot::StateWriter& writer) const { writer(filter_); }

std::function<void()> Net::load_own(snapshot::StateReader& reader) {
  NetFilter filter;
  reader(filter);
  return [this, filter] { filter_ = filter; };
}

}  // namespace tandem::devices::virtio
