#include "tools/tandem/gdb/gdb_address.h"

#include <fmt/format.h>

namespace tandem::tools {

namespace {

Error wrong(const std::string& text) {
  return user_error(
      fmt::format("gdb: '{}' is not [HOST:]PORT or unix:PATH, then ,paused or ,arch=16|32|64", text));
}

bool set_option(GdbAddress& out, std::string_view option) {
  if (option == "paused") out.paused = true;
  else if (option == "arch=16") out.arch = debug::Arch::I8086;
  else if (option == "arch=32") out.arch = debug::Arch::I386;
  else if (option == "arch=64") out.arch = debug::Arch::X86_64;
  else return false;
  return true;
}

bool is_port(std::string_view text) {
  unsigned n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    n = n * 10 + static_cast<unsigned>(c - '0');
    if (n > 0xffff) return false;
  }
  return !text.empty();
}

}  // namespace

Result<GdbAddress> parse_gdb_address(const std::string& text) {
  GdbAddress out;
  std::string_view left = text;
  const std::string_view place = left.substr(0, left.find(','));
  left.remove_prefix(place.size());
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view option = left.substr(0, left.find(','));
    left.remove_prefix(option.size());
    if (!set_option(out, option)) return wrong(text);
  }
  if (place.starts_with("unix:")) {
    out.path = place.substr(5);
    return out.path.empty() ? Result<GdbAddress>(wrong(text)) : out;
  }
  const std::size_t colon = place.rfind(':');
  const bool has_host = colon != std::string_view::npos;
  out.port = place.substr(has_host ? colon + 1 : 0);
  if (has_host && colon > 0) out.host = place.substr(0, colon);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  if (!is_port(out.port)) return wrong(text);
  return out;
}

}  // namespace tandem::tools
