// Frames for the guest (Software Developer's Manual, 3.2). [back end's thread]
#include <zlib.h>

#include <algorithm>

#include "core/base/bits.h"
#include "devices/net/e1000.h"

namespace tandem::devices {

using namespace e1000;

namespace {

constexpr std::size_t kMacBytes = 6, kHeaderBytes = 14, kTagBytes = 4, kCrcBytes = 4, kShortest = 60,
                      kUsualLongest = 1518, kLongest = 16384 - kCrcBytes;
constexpr unsigned kMulticastHash[4] = {4, 3, 2, 0};  // by RCTL.MO: how far the last two bytes are shifted

bool is_broadcast(Frame f) {
  return std::all_of(f.begin(), f.begin() + kMacBytes, [](u8 b) { return b == 0xff; });
}
bool is_multicast(Frame f) { return f[0] & 1; }

// Whether it is one whose IP and transport checksums the controller looks at: IPv4, TCP or UDP, no fragment.
bool has_sums(Frame f, std::size_t ip) {
  constexpr u16 kIpv4 = 0x0800, kFragment = 0x3fff;
  constexpr u8 kTcp = 6, kUdp = 17;
  if (f.size() < ip + 20 || load_be<u16>(&f[ip - 2]) != kIpv4) return false;
  const u8 protocol = f[ip + 9];
  return !(load_be<u16>(&f[ip + 6]) & kFragment) && (protocol == kTcp || protocol == kUdp);
}

}  // namespace

// 13.5.1: exact addresses, the hash of groups, VLANs.
bool E1000::takes(Frame f) const {
  const u32 control = reg(kRctl);
  if (f.size() < kHeaderBytes) return false;
  if ((control & kRctlVlanFilter) && load_be<u16>(&f[12]) == reg(kVet) &&
      f.size() >= kHeaderBytes + kTagBytes) {
    const u32 id = load_be<u16>(&f[kHeaderBytes]) & 0xfff;
    if (!bit(reg(kVfta + id / 32 * 4), id % 32)) return false;
  }
  if (is_broadcast(f)) return control & (kRctlBroadcast | kRctlAllMulticast);
  if (control & (is_multicast(f) ? kRctlAllMulticast : kRctlAllUnicast)) return true;
  const u32 low = load_le<u32>(f.data()), high = load_le<u16>(&f[4]) | kRahValid;
  for (u32 i = 0; i < 16; ++i)
    if (reg(kRal + 8 * i) == low && (reg(kRah + 8 * i) & (kRahValid | 0xffff)) == high) return true;
  if (!is_multicast(f)) return false;
  const u32 hash = (u32{load_le<u16>(&f[4])} >> kMulticastHash[bits(control, 13, 12)]) & 0xfff;
  return bit(reg(kMta + hash / 32 * 4), hash % 32);
}

u32 E1000::buffer_bytes() const {
  const u32 size = 2048u >> bits(reg(kRctl), 17, 16);
  return reg(kRctl) & kRctlLargeBuffers ? size * 16 : size;
}

// Those between head and tail belong to the controller.
u32 E1000::free_descriptors(u32 descriptors) const {
  const u32 head = reg(kRdh), tail = reg(kRdt);
  if (head >= descriptors || tail >= descriptors) return 0;
  return head <= tail ? tail - head : descriptors - head + tail;
}

void E1000::count_received(Frame f) {
  count(kGprc);
  count(kTpr);
  if (is_broadcast(f)) count(kBprc);
  else if (is_multicast(f)) count(kMprc);
  count_bytes(kGorc, f.size() + kCrcBytes);
  count_bytes(kTor, f.size() + kCrcBytes);
}

bool E1000::deliver(Frame frame) {
  std::lock_guard lock(mutex_);
  starved_ = false;
  if (!(reg(kRctl) & kRctlEnable) || !link_up() || !bus_master() || !takes(frame)) return true;
  const std::size_t longest = reg(kRctl) & kRctlLong ? kLongest : kUsualLongest;
  if (frame.size() > longest) return count(kRoc), true;
  starved_ = !receive(frame);
  return !starved_;
}

// False: there are too few descriptors now.
bool E1000::receive(Frame frame) {
  std::vector<u8>& bytes = arrival_;
  bytes.assign(frame.begin(), frame.end());
  if (bytes.size() < kShortest) bytes.resize(kShortest);
  u8 status = kRxDone;
  u16 special = 0;
  const bool tagged = load_be<u16>(&bytes[12]) == reg(kVet);
  if (tagged && (reg(kCtrl) & kCtrlVlan)) {
    special = load_be<u16>(&bytes[14]);
    status |= kRxVlan;
    bytes.erase(bytes.begin() + 12, bytes.begin() + 16);
  }
  if (!(reg(kRctl) & kRctlStripCrc)) {
    const u32 crc = static_cast<u32>(::crc32(0, bytes.data(), static_cast<uInt>(bytes.size())));
    for (unsigned i = 0; i < kCrcBytes; ++i) bytes.push_back(static_cast<u8>(crc >> 8 * i));
  }
  // What a back end vouches for is what was found to be right.
  const u32 wanted = reg(kRxcsum) & (kRxcsumIp | kRxcsumTcp);
  const bool summed = wanted && backend_.traits().good_checksums &&
                      has_sums(bytes, kHeaderBytes + (tagged && !(status & kRxVlan) ? kTagBytes : 0));
  if (!summed) status |= kRxIgnoreSums;
  if (summed && (wanted & kRxcsumIp)) status |= kRxIpSummed;
  if (summed && (wanted & kRxcsumTcp)) status |= kRxTcpSummed;

  const u32 descriptors = reg(kRdlen) / kDescriptor, size = buffer_bytes();
  const u32 needed = static_cast<u32>((bytes.size() + size - 1) / size);
  u32 left = free_descriptors(descriptors);
  if (left < needed) return false;
  mem::GuestMemory& memory = context().memory;
  for (u32 i = 0; i < needed; ++i) {
    const Gpa at{wide(kRdbal) + reg(kRdh) * kDescriptor};
    const std::span<const u8> piece = std::span(bytes)
                                          .subspan(u64{i} * size)
                                          .first(std::min<std::size_t>(size, bytes.size() - u64{i} * size));
    memory.write(Gpa{memory.read_value<u64>(at)}, piece);
    std::array<u8, 8> answer{};
    store_le(&answer[kRxLength - 8], static_cast<u16>(piece.size()));
    answer[kRxStatus - 8] = static_cast<u8>(status | (i + 1 == needed ? kRxEnd : 0));
    store_le(&answer[kRxSpecial - 8], special);
    memory.write(at + 8, answer);
    reg(kRdh) = (reg(kRdh) + 1) % descriptors;
  }
  left -= needed;
  count_received(frame);
  const bool few = left <= descriptors >> (1 + bits(reg(kRctl), 9, 8));
  cause(kRxTimer | (few ? kRxFew : 0));
  return true;
}

}  // namespace tandem::devices
