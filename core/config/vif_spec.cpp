#include "core/config/vif_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/numbers.h"

namespace tandem::config {

namespace {

constexpr u16 kMinMtu = 68;  // RFC 791

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

// Six pairs of hexadecimal digits; the address of one adapter, not of a group.
std::optional<std::array<u8, 6>> parse_mac(std::string_view text) {
  std::array<u8, 6> mac{};
  if (text.size() != 17) return {};
  for (std::size_t i = 0; i < 6; ++i) {
    if (i && text[3 * i - 1] != ':') return {};
    if (!parse_number(text.substr(3 * i, 2), mac[i], 16)) return {};
  }
  if (mac[0] & 1) return {};
  return mac;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<VifSpec> parse() {
    for (std::string_view left = text_; !left.empty();) {
      if (trimmed(left).starts_with("capture=")) {
        spec_.capture = trimmed(trimmed(left).substr(8));
        break;
      }
      const std::size_t comma = std::min(left.find(','), left.size());
      TANDEM_TRY(item(trimmed(left.substr(0, comma))));
      left.remove_prefix(std::min(comma + 1, left.size()));
    }
    if (spec_.type != VifType::User && (spec_.restricted || !spec_.forwards.empty()))
      return wrong("hostfwd and restrict are for type=user");
    return spec_;
  }

 private:
  Error wrong(std::string_view why) const { return user_error(fmt::format("vif: '{}': {}", text_, why)); }

  Result<void> item(std::string_view word) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      if (word == "restrict") return spec_.restricted = true, Result<void>();
      return wrong(fmt::format("what is '{}'?", word));
    }
    return set(word.substr(0, equals), word.substr(equals + 1));
  }

  Result<void> set(std::string_view key, std::string_view value) {
    if (key == "type") return set_type(value);
    if (key == "model") {
      if (value != "virtio" && value != "e1000")
        return wrong(fmt::format("model {}: this build has virtio, e1000", value));
      spec_.model = value == "virtio" ? VifModel::Virtio : VifModel::E1000;
    } else if (key == "mac") {
      spec_.mac = parse_mac(value);
      if (!spec_.mac) return wrong(fmt::format("mac {} is no address of one adapter", value));
    } else if (key == "hostfwd") {
      spec_.forwards.emplace_back(value);
    } else if (key == "restrict") {
      if (value != "on" && value != "off") return wrong("restrict is on or off");
      spec_.restricted = value == "on";
    } else if (key == "ifname") {
      spec_.interface = value;
    } else if (key == "mtu") {
      if (!parse_number(value, spec_.mtu) || spec_.mtu < kMinMtu)
        return wrong(fmt::format("mtu {} is not in {}..65535", value, kMinMtu));
    } else {
      return wrong(fmt::format("unknown key {}", key));
    }
    return {};
  }

  Result<void> set_type(std::string_view value) {
    if (value == "user") spec_.type = VifType::User;
    else if (value == "tap") spec_.type = VifType::Tap;
    else if (value == "none") spec_.type = VifType::None;
    else return wrong(fmt::format("type {} is none of user, tap, none", value));
    return {};
  }

  std::string_view text_;
  VifSpec spec_;
};

}  // namespace

Result<VifSpec> parse_vif_spec(std::string_view text) { return Parser(text).parse(); }

}  // namespace tandem::config
