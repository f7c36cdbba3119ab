#include "devices/backend/net/forward.h"

#include <arpa/inet.h>

#include "core/base/numbers.h"

namespace tandem::devices {

namespace {

// [ADDRESS]:PORT
bool parse_end(std::string_view text, std::array<u8, 4>& address, u16& port) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string host(text.substr(0, colon));
  if (!parse_number(text.substr(colon + 1), port) || port == 0) return false;
  return host.empty() || inet_pton(AF_INET, host.c_str(), address.data()) == 1;
}

}  // namespace

Result<Forward> parse_forward(std::string_view text) {
  Forward f;
  const std::size_t dash = text.find('-');
  f.udp = text.starts_with("udp:");
  if ((f.udp || text.starts_with("tcp:")) && dash != std::string_view::npos &&
      parse_end(text.substr(4, dash - 4), f.host_address, f.host_port) &&
      parse_end(text.substr(dash + 1), f.guest_address, f.guest_port))
    return f;
  return user_error("hostfwd '" + std::string(text) + "': it is tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT");
}

}  // namespace tandem::devices
