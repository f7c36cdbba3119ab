// A port of the host that leads into the guest.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::devices {

struct Forward {
  bool udp = false;
  std::array<u8, 4> host_address{}, guest_address{};  // all zero: any, the guest's first
  u16 host_port = 0, guest_port = 0;
};

// tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT, as QEMU's hostfwd has it.
Result<Forward> parse_forward(std::string_view text);

}  // namespace tandem::devices
