#include "devices/virtio/net.h"

#include "devices/virtio/net_checksum.h"

namespace tandem::devices::virtio {

namespace {

// 5.1.3
constexpr u64 kChecksum = 1 << 0, kGuestChecksum = 1 << 1, kMtu = 1 << 3, kMac = 1 << 5, kHostTso4 = 1 << 11,
              kHostTso6 = 1 << 12, kHostEcn = 1 << 13, kMergeable = 1 << 15, kStatus = 1 << 16,
              kControl = 1 << 17, kControlRx = 1 << 18, kControlRxExtra = 1 << 20, kMultiQueue = 1 << 22,
              kControlMac = 1 << 23;
// 5.1.4
constexpr u64 kMacField = 0, kStatusField = 6, kPairsField = 8, kMtuField = 10;
constexpr u16 kLinkUp = 1;
// 5.1.6: the header in front of each frame, and where its last field is.
constexpr u64 kShortHeader = 10, kHeader = 12, kBufferCount = 10;
constexpr u8 kDataValid = 2;
constexpr u8 kCommandOk = 0, kCommandError = 1;
constexpr u64 kMaxCommand = 8 * KiB;

// 5.1.6.5.6
constexpr u8 kMultiQueueClass = 4, kSetPairs = 0;

// 5.1.2: pairs of queues, then the one for commands.
constexpr unsigned receive_queue(unsigned pair) { return 2 * pair; }
constexpr unsigned transmit_queue(unsigned pair) { return 2 * pair + 1; }
constexpr u16 kQueueSize = 1024;

u64 features_of(const NetTraits& traits, u16 pairs) {
  const u64 large = traits.large_segments ? kHostTso4 | kHostTso6 | kHostEcn : 0;
  const u64 good = traits.good_checksums ? kGuestChecksum : 0;
  const u64 many = pairs > 1 ? kMultiQueue : 0;
  return large | good | many | kChecksum | kMtu | kMac | kMergeable | kStatus | kControl | kControlRx |
         kControlRxExtra | kControlMac;
}

}  // namespace

Net::Net(const machine::DeviceContext& context, std::string name, NetBackend& backend, const MacAddress& mac,
         u16 pairs)
    : Model(context, {DeviceType::Net, std::move(name), 0x020000}, features_of(backend.traits(), pairs),
            std::vector<u16>(2u * pairs + 1, kQueueSize)),
      backend_(backend),
      mac_(mac),
      pairs_(pairs),
      filter_({.mac = mac, .table = {}}) {
  set_config(kMacField, mac);
  set_config<u16>(kStatusField, kLinkUp);
  set_config<u16>(kPairsField, pairs);
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
  if (queue == control_queue()) run_commands();
  else backend_.wake();
}

// A driver that uses one pair finds it behind that one.
unsigned Net::control_queue() const { return has(kMultiQueue) ? 2u * pairs_ : 2; }

void Net::stopped() {
  filter_ = {.mac = mac_, .table = {}};
  pairs_in_use_ = 1;
  steering_.clear();
}

// 5.1.6.1: the last field is there with VERSION_1 or mergeable buffers.
u64 Net::header_size() const { return has(kVersion1) || has(kMergeable) ? kHeader : kShortHeader; }

bool Net::deliver(Frame frame) {
  const auto held = lock();
  const unsigned queue = queue_for(frame);
  if (!ring(queue) || !filter_.takes(frame)) return true;
  return fill(queue, frame);
}

unsigned Net::queue_for(Frame frame) {
  const unsigned pair = pairs_in_use_ > 1 ? steering_.pair_of(frame) : 0;
  return receive_queue(pair < pairs_in_use_ ? pair : 0);
}

// Takes as many buffers as the frame needs, one without mergeable buffers; all or none. 5.1.6.4.
bool Net::fill(unsigned queue, Frame frame) {
  u8 header[kHeader] = {};
  if (has(kGuestChecksum)) header[0] = kDataValid;
  const u64 header_bytes = header_size(), total = header_bytes + frame.size();
  const u16 position = ring(queue)->position();
  u64 room = 0;
  std::size_t count = 0;
  while (room < total) {
    if (count && !has(kMergeable)) break;
    if (count == received_.size()) received_.emplace_back();
    if (!take(queue, received_[count])) {
      if (ring(queue)) ring(queue)->rewind(position);
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
    ring(queue)->give_back(c, static_cast<u32>(at + n));
  }
  publish(queue);
  return true;
}

void Net::collect(const FrameSink& out) {
  for (unsigned pair = 0; pair < pairs_; ++pair)
    while (take_frame(pair))
      if (!frame_.empty()) out(frame_);
}

// The next frame that the guest sends, as it has to be on the wire; empty where it was none.
bool Net::take_frame(unsigned pair) {
  const auto held = lock();
  const unsigned queue = transmit_queue(pair);
  if (!take(queue, sent_)) return false;
  const u64 header_bytes = header_size();
  if (sent_.to_read < header_bytes) return fail(), false;
  const u64 length = sent_.to_read - header_bytes;
  frame_.resize(length <= kMaxFrame ? length : 0);
  u8 header[kHeader] = {};
  gather(std::span(header).first(header_bytes), sent_.readable, 0);
  gather(frame_, sent_.readable, header_bytes);
  complete_checksum(header, frame_);
  if (pairs_in_use_ > 1) steering_.sent(frame_, pair);
  complete(queue, sent_, 0);
  return true;
}

void Net::run_commands() {
  const unsigned queue = control_queue();
  while (take(queue, command_)) {
    if (command_.to_write < 1) return fail();
    std::vector<u8> bytes(std::min(command_.to_read, kMaxCommand));
    gather(bytes, command_.readable, 0);
    const bool good = obey(bytes);
    scatter(command_.writable, 0, std::array{good ? kCommandOk : kCommandError});
    complete(queue, command_, 1);
  }
}

bool Net::obey(std::span<const u8> command) {
  if (command.size() < 2 || command[0] != kMultiQueueClass) return filter_.obey(command);
  if (command.size() != 4 || command[1] != kSetPairs || !has(kMultiQueue)) return false;
  const u16 pairs = load_le<u16>(&command[2]);
  if (pairs == 0 || pairs > pairs_) return false;
  pairs_in_use_ = pairs;
  return true;
}

void Net::save_own(snapshot::StateWriter& writer) const { writer(filter_, pairs_in_use_); }

std::function<void()> Net::load_own(snapshot::StateReader& reader) {
  NetFilter filter;
  u16 pairs = 0;
  reader(filter, pairs);
  reader.check(pairs > 0 && pairs <= pairs_, "the queues in use");
  return [this, filter, pairs] {
    filter_ = filter;
    pairs_in_use_ = pairs;
  };
}

}  // namespace tandem::devices::virtio
