// Frames of the guest (Software Developer's Manual, 3.3 to 3.5). [back end's thread]
#include <algorithm>

#include "core/base/bits.h"
#include "devices/net/e1000.h"

namespace tandem::devices {

using namespace e1000;

namespace {

constexpr std::size_t kMaxBytes = 128 * KiB;  // of a frame that is to be segmented
constexpr std::size_t kMinBytes = 14, kLongest = 16384, kTypeAt = 12, kCrcBytes = 4, kIpPacket = 65535;
// Extended descriptors (3.3.5): the kind is in bits 20..23 of the third dword.
constexpr u32 kContextKind = 0, kLengthMask = 0xfffff;
constexpr u8 kSumIp = 1, kSumTransport = 2;      // options of a data descriptor
constexpr u8 kContextTcp = 1, kContextIpv4 = 2;  // commands of a context descriptor
constexpr u32 kMacLoopback = 1 << 6;

std::vector<u8> with_tag(Frame frame, u16 tag) {
  constexpr u16 kVlan = 0x8100;
  std::vector<u8> bytes(frame.begin(), frame.end());
  std::array<u8, 4> inserted;
  store_be(&inserted[0], kVlan);
  store_be(&inserted[2], tag);
  bytes.insert(bytes.begin() + kTypeAt, inserted.begin(), inserted.end());
  return bytes;
}

}  // namespace

void E1000::take_context(const u8* d) {
  E1000Context c;
  c.ip = {d[0], d[1], load_le<u16>(d + 2)};
  c.transport = {d[4], d[5], load_le<u16>(d + 6)};
  c.payload_bytes = load_le<u32>(d + kTxLength) & kLengthMask;
  c.header_bytes = d[13];
  c.segment_bytes = load_le<u16>(d + 14);
  c.tcp = d[kTxCommand] & kContextTcp;
  c.ipv4 = d[kTxCommand] & kContextIpv4;
  (d[kTxCommand] & kTxSegment ? state_.segments : state_.sums) = c;
}

void E1000::take_data(const u8* d) {
  E1000Frame& f = state_.sending;
  const bool extended = d[kTxCommand] & kTxExtended;
  const u64 length = extended ? load_le<u32>(d + kTxLength) & kLengthMask : load_le<u16>(d + kTxLength);
  if (!f.begun) {
    f.begun = true;
    f.segmented = extended && (d[kTxCommand] & kTxSegment);
    f.sum_ip = extended && (d[kTxSumStart] & kSumIp);
    f.sum_transport = extended && (d[kTxSumStart] & kSumTransport);
  }
  if (!extended && (d[kTxCommand] & kTxInsertSum)) {
    f.legacy_sum = true;
    f.sum = {d[kTxSumStart], d[kTxSumOffset], 0};
  }
  if (f.bytes.size() + length > kMaxBytes) f.too_long = true;
  if (f.too_long) return;
  const std::size_t before = f.bytes.size();
  f.bytes.resize(before + length);
  context().memory.read(Gpa{load_le<u64>(d)}, std::span(f.bytes).subspan(before));
}

// The descriptor at the head. False: there is none. end: it was a frame's last.
bool E1000::take_descriptor(bool& end) {
  const u32 descriptors = reg(kTdlen) / kDescriptor;
  if (reg(kTdh) == reg(kTdt) || reg(kTdh) >= descriptors || reg(kTdt) >= descriptors) return false;
  mem::GuestMemory& memory = context().memory;
  const Gpa at{wide(kTdbal) + reg(kTdh) * kDescriptor};
  std::array<u8, kDescriptor> d;
  memory.read(at, d);
  const bool extended = d[kTxCommand] & kTxExtended;
  const bool is_context = extended && bits(load_le<u32>(&d[kTxLength]), 23, 20) == kContextKind;
  end = !is_context && (d[kTxCommand] & kTxEnd);
  if (is_context) take_context(d.data());
  else take_data(d.data());
  if (end) finish_frame(d.data());
  u32 causes = 0;
  if (d[kTxCommand] & (kTxReport | kTxReportSent)) {
    memory.write_value(at + kTxStatus, static_cast<u8>(d[kTxStatus] | kTxDescriptorDone));
    causes |= kTxDone;
  }
  reg(kTdh) = (reg(kTdh) + 1) % descriptors;
  if (reg(kTdh) == reg(kTdt)) causes |= kTxEmpty;
  if (causes) cause(causes);
  return true;
}

// The checksums of a frame that goes out as it is, and the VLAN tag.
void E1000::finish_frame(const u8* last) {
  E1000Frame& f = state_.sending;
  f.tagged = (last[kTxCommand] & kTxVlan) && (reg(kCtrl) & kCtrlVlan);
  f.tag = load_le<u16>(last + kTxSpecial);
  if (f.segmented) return;
  if (f.legacy_sum) insert_sum(f.bytes, f.sum);
  if (f.sum_ip) insert_sum(f.bytes, state_.sums.ip);
  if (f.sum_transport) insert_sum(f.bytes, state_.sums.transport);
}

// Where the back end takes large segments, it is one segment.
SegmentPlan E1000::segment_plan() const {
  const E1000Context& c = state_.segments;
  SegmentPlan p{c.ip,   c.transport, c.header_bytes,        c.segment_bytes,
                c.ipv4, c.tcp,       state_.sending.sum_ip, state_.sending.sum_transport};
  const std::size_t header = c.header_bytes, size = state_.sending.bytes.size();
  const bool one =
      backend_.traits().large_segments && c.tcp && size > header && size - c.ip.start <= kIpPacket;
  if (one) p.segment_bytes = static_cast<u16>(size - header);
  return p;
}

void E1000::count_sent(const E1000Frame& f) {
  count(kGptc);
  count(kTpt);
  count_bytes(kGotc, f.bytes.size() + kCrcBytes);
  count_bytes(kTot, f.bytes.size() + kCrcBytes);
}

// The next whole frame, empty where it was none that can be sent. False: there is none.
bool E1000::take_frame(E1000Frame& frame, SegmentPlan& plan) {
  std::lock_guard lock(mutex_);
  for (bool end = false; !end;)
    if (!(reg(kTctl) & kTctlEnable) || !bus_master() || !take_descriptor(end)) return false;
  E1000Frame& f = state_.sending;
  plan = segment_plan();
  const std::size_t size = f.bytes.size();
  if (f.too_long || size < kMinBytes || (size > kLongest && !f.segmented) || !link_up()) f.bytes.clear();
  else count_sent(f);
  frame = std::exchange(f, {});
  return true;
}

bool E1000::loops_back() const {
  std::lock_guard lock(mutex_);
  return (reg(kRctl) & kRctlLoopback) == kMacLoopback;
}

void E1000::collect(const FrameSink& out) {
  E1000Frame frame;
  SegmentPlan plan;
  std::vector<u8> tagged;
  const FrameSink send = [&](Frame f) {
    if (frame.tagged) {
      tagged = with_tag(f, frame.tag);
      f = tagged;
    }
    if (loops_back()) deliver(f);
    else out(f);
  };
  while (take_frame(frame, plan)) {
    if (frame.bytes.empty()) continue;
    if (frame.segmented) segment(frame.bytes, plan, send);
    else send(frame.bytes);
  }
}

}  // namespace tandem::devices
