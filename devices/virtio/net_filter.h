// Which frames a network adapter takes from the wire, as the driver tells it by control commands (VIRTIO 1.2,
// 5.1.6.5).
#pragma once

#include <array>
#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices::virtio {

using MacAddress = std::array<u8, 6>;

struct NetFilter {
  MacAddress mac{};
  bool promiscuous = false, all_multicast = false, all_unicast = false;
  bool no_multicast = false, no_unicast = false, no_broadcast = false;
  std::vector<MacAddress> table;
  static void fields(auto& a, auto& s) {
    a(s.mac, s.promiscuous, s.all_multicast, s.all_unicast, s.no_multicast, s.no_unicast, s.no_broadcast,
      s.table);
  }

  bool takes(std::span<const u8> frame) const;
  // A command: class, number and data. False: it is none that we know, or its data are wrong.
  bool obey(std::span<const u8> command);

 private:
  bool set_mode(u8 number, bool on);
  bool set_table(std::span<const u8> data);
};

}  // namespace tandem::devices::virtio
