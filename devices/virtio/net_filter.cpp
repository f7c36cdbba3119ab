#include "devices/virtio/net_filter.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices::virtio {

namespace {

enum Class : u8 { kRxMode = 0, kMac = 1 };
enum MacCommand : u8 { kTableSet = 0, kAddressSet = 1 };
constexpr std::size_t kMaxTable = 256;

MacAddress address_at(std::span<const u8> bytes) {
  MacAddress a;
  std::copy_n(bytes.begin(), a.size(), a.begin());
  return a;
}

}  // namespace

bool NetFilter::takes(std::span<const u8> frame) const {
  if (frame.size() < 14) return false;
  if (promiscuous) return true;
  const MacAddress to = address_at(frame);
  const bool listed = std::find(table.begin(), table.end(), to) != table.end();
  if (std::all_of(to.begin(), to.end(), [](u8 b) { return b == 0xff; })) return !no_broadcast;
  if (to[0] & 1) return !no_multicast && (all_multicast || listed);
  return !no_unicast && (all_unicast || listed || to == mac);
}

bool NetFilter::obey(std::span<const u8> command) {
  if (command.size() < 3) return false;
  const u8 number = command[1];
  const std::span<const u8> data = command.subspan(2);
  if (command[0] == kRxMode) return data.size() == 1 && set_mode(number, data[0]);
  if (command[0] != kMac) return false;
  if (number == kTableSet) return set_table(data);
  if (number != kAddressSet || data.size() != mac.size()) return false;
  mac = address_at(data);
  return true;
}

bool NetFilter::set_mode(u8 number, bool on) {
  bool* const modes[] = {&promiscuous,  &all_multicast, &all_unicast,
                         &no_multicast, &no_unicast,    &no_broadcast};
  if (number >= std::size(modes)) return false;
  *modes[number] = on;
  return true;
}

// Two lists, unicast and multicast, each with its length in front.
bool NetFilter::set_table(std::span<const u8> data) {
  std::vector<MacAddress> now;
  for (int list = 0; list < 2; ++list) {
    if (data.size() < 4) return false;
    const u32 count = load_le<u32>(data.data());
    data = data.subspan(4);
    if (count > kMaxTable || data.size() < count * sizeof(MacAddress)) return false;
    for (u32 i = 0; i < count; ++i) now.push_back(address_at(data.subspan(i * sizeof(MacAddress))));
    data = data.subspan(count * sizeof(MacAddress));
  }
  table = std::move(now);
  return true;
}

}  // namespace tandem::devices::virtio
