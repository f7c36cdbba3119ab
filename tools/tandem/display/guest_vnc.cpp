#include "tools/tandem/display/guest_vnc.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "devices/backend/unix_socket.h"
#include "tools/tandem/report.h"
#include "tools/tandem/tcp_socket.h"

namespace tandem::tools {

namespace {

constexpr unsigned kFirstPort = 5900, kMostDisplays = 65535 - kFirstPort;

Error wrong(const std::string& text) {
  return user_error(fmt::format(
      "display: '{}' is not vnc[:N][,listen=ADDRESS][,password=FILE] or vnc,unix=PATH[,password=FILE]",
      text));
}

bool take_display(VncSpec& spec, std::string_view digits) {
  spec.display = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    spec.display = spec.display * 10 + static_cast<unsigned>(c - '0');
    if (spec.display > kMostDisplays) return false;
  }
  return !digits.empty();
}

// Empty: no file is named.
Result<std::string> read_password(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream in(path);
  std::string line;
  if (!in) return user_error(fmt::format("display: {}: {}", path, std::strerror(errno)));
  if (!std::getline(in, line) || line.empty())
    return user_error(fmt::format("display: {}: has no password in its first line", path));
  return line;
}

void warn(const VncSpec& spec, const std::string& password) {
  constexpr std::size_t kCounts = 8;
  if (password.size() > kCounts)
    say(fmt::format("vnc: of the password, the first {} characters count", kCounts));
  const bool from_here =
      !spec.path.empty() || spec.host == "localhost" || spec.host == "::1" || spec.host.starts_with("127.");
  if (password.empty() && !from_here)
    say(fmt::format("vnc: whoever reaches {} has the guest: there is no password", spec.host));
}

}  // namespace

Result<VncSpec> parse_vnc_spec(const std::string& text) {
  VncSpec spec;
  std::string_view left = text;
  const std::string_view place = left.substr(0, left.find(','));
  left.remove_prefix(place.size());
  if (place != "vnc" && !(place.starts_with("vnc:") && take_display(spec, place.substr(4))))
    return wrong(text);
  while (!left.empty()) {
    left.remove_prefix(1);
    const std::string_view option = left.substr(0, left.find(','));
    left.remove_prefix(option.size());
    const std::string_view key = option.substr(0, option.find('='));
    const std::string value(option.substr(std::min(key.size() + 1, option.size())));
    if (value.empty()) return wrong(text);
    if (key == "listen") spec.host = value;
    else if (key == "password") spec.password_file = value;
    else if (key == "unix" && place == "vnc") spec.path = value;
    else return wrong(text);
  }
  return spec;
}

Result<std::unique_ptr<Face>> GuestVnc::open(devices::Pc& pc, const config::Settings& settings,
                                             Clipboard* clipboard) {
  TANDEM_TRY_ASSIGN(spec, parse_vnc_spec(settings.display));
  devices::VncConfig config;
  config.name = settings.name.empty() ? "Tandem" : settings.name;
  TANDEM_TRY_ASSIGN(password, read_password(spec.password_file));
  warn(spec, password);
  config.password = std::move(password);
  auto listener = spec.path.empty() ? listen_tcp(spec.host, std::to_string(kFirstPort + spec.display))
                                    : devices::listen_at(spec.path);
  if (!listener) return std::move(listener.error()).in("display: vnc");
  config.listener = listener.value();
  config.resized = [&pc](u32 width, u32 height) { return pc.display()->want_size(width, height); };
  config.clipboard = [clipboard](const std::string& text) {
    if (clipboard) clipboard->copied_on_host(text);
  };
  std::unique_ptr<GuestVnc> vnc(new GuestVnc);
  vnc->clipboard_ = clipboard;
  vnc->path_ = spec.path;
  TANDEM_TRY_ASSIGN(server, devices::VncServer::start(std::move(config), pc.input()));
  vnc->server_ = std::move(server);
  vnc->pump_ = std::make_unique<DisplayPump>(*pc.display(), *vnc->server_);
  if (clipboard)
    clipboard->set_listener(
        [&server = *vnc->server_](const std::string& text) { server.set_clipboard(text); });
  say(spec.path.empty() ? fmt::format("vnc: at {}:{}", spec.host, kFirstPort + spec.display)
                        : "vnc: at unix:" + spec.path);
  return std::unique_ptr<Face>(std::move(vnc));
}

GuestVnc::~GuestVnc() {
  if (clipboard_) clipboard_->set_listener(nullptr);
  pump_.reset();
  server_.reset();
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace tandem::tools
