// What one item of vif= says.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::config {

enum class VifType : u8 { None, User, Tap };
enum class VifModel : u8 { Virtio, E1000 };

struct VifSpec {
  VifType type = VifType::User;
  VifModel model = VifModel::Virtio;
  std::optional<std::array<u8, 6>> mac;
  std::vector<std::string> forwards;  // user: tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT
  bool restricted = false;            // user: neither the host nor what is behind it can be reached
  std::string interface;              // tap: the host's name of it
  u16 mtu = 0;                        // 0: the usual one of the type
  std::string capture;                // file for the frames

  bool operator==(const VifSpec&) const = default;
};

// type=user|tap|none and key=value, separated by commas; capture= takes the rest of the text.
Result<VifSpec> parse_vif_spec(std::string_view text);

}  // namespace tandem::config
