#include "tools/tandem/display/face.h"

#include <fmt/format.h>

#include <cstdlib>

#include "tools/tandem/display/guest_vnc.h"
#include "tools/tandem/display/guest_window.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

bool host_has_display() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value && *value;
  };
  return set("DISPLAY") || set("WAYLAND_DISPLAY");
}

bool is_vnc(const std::string& display) {
  return display == "vnc" || display.starts_with("vnc:") || display.starts_with("vnc,");
}

}  // namespace

Result<void> check_display(const config::Settings& s) {
  if (s.display.empty() || s.display == "sdl" || s.display == "none") return {};
  if (!is_vnc(s.display))
    return user_error(fmt::format("display: '{}' is none of sdl, vnc[:N], none", s.display));
  TANDEM_TRY(parse_vnc_spec(s.display));
  return {};
}

Result<std::unique_ptr<Face>> open_face(devices::Pc& pc, const config::Settings& s, GuestControl& control) {
  const bool wanted = !s.display.empty() && s.display != "none";
  if (s.display == "none" || (!wanted && !host_has_display())) return std::unique_ptr<Face>();
  if (!pc.display()) {
    if (!wanted) return std::unique_ptr<Face>();
    return user_error("display: a guest without vga, or with stdvga and no firmware, has no display");
  }
  if (is_vnc(s.display)) return GuestVnc::open(pc, s, control.clipboard());
  auto window = GuestWindow::open(pc, s, control);
  if (window || wanted) return window;
  say(window.error().message);  // nobody asked for it: it costs the guest nothing
  return std::unique_ptr<Face>();
}

}  // namespace tandem::tools
