#include "devices/backend/char_backend.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "devices/backend/fd_char_backend.h"

namespace tandem::devices {

namespace {

class NullBackend final : public CharBackend {
 public:
  void attach(CharReceiver*) override {}
  bool can_write() override { return true; }
  void write(std::span<const u8>) override {}
  void input_wanted() override {}
  void flush() override {}
};

Error failed(std::string_view what) { return user_error(fmt::format("{}: {}", what, std::strerror(errno))); }

Result<std::unique_ptr<CharBackend>> open_stdio(CharOptions options) {
  FdCharBackend::Config c;
  c.input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  c.output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (c.output < 0) return failed("serial stdio: standard output");
  termios t;
  if (c.input >= 0 && tcgetattr(c.input, &t) == 0) {
    c.restore_terminal = t;
    cfmakeraw(&t);
    t.c_oflag |= OPOST;
    // A background job that sets its terminal is stopped: then the terminal stays as it is.
    if (tcgetpgrp(c.input) == getpgrp()) tcsetattr(c.input, TCSANOW, &t);
    c.on_escape = std::move(options.on_escape);
  }
  return std::unique_ptr<CharBackend>(new FdCharBackend(std::move(c)));
}

Result<std::unique_ptr<CharBackend>> open_file(const std::string& path) {
  FdCharBackend::Config c;
  c.output = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (c.output < 0) return failed(path);
  return std::unique_ptr<CharBackend>(new FdCharBackend(std::move(c)));
}

Result<std::unique_ptr<CharBackend>> open_pty() {
  int leader = -1, follower = -1;
  char name[64] = {};
  termios t{};
  cfmakeraw(&t);
  if (openpty(&leader, &follower, name, &t, nullptr) != 0) return failed("serial pty");
  fcntl(leader, F_SETFD, FD_CLOEXEC);
  fcntl(follower, F_SETFD, FD_CLOEXEC);
  FdCharBackend::Config c;
  c.input = leader;
  c.output = fcntl(leader, F_DUPFD_CLOEXEC, 3);
  c.lossy = true;
  c.keep_open = follower;  // else reads fail while nobody has it open
  fmt::print(stderr, "tandem: serial port at {}\n", name);
  return std::unique_ptr<CharBackend>(new FdCharBackend(std::move(c)));
}

Result<std::unique_ptr<CharBackend>> open_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return user_error(path + ": too long for a socket's name");
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failed(path);
  struct stat st;
  if (stat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) unlink(path.c_str());
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd, 1) != 0) {
    const Error e = failed(path);
    close(fd);
    return e;
  }
  FdCharBackend::Config c;
  c.listener = fd;
  c.lossy = true;
  c.unlink_path = path;
  return std::unique_ptr<CharBackend>(new FdCharBackend(std::move(c)));
}

}  // namespace

Result<std::unique_ptr<CharBackend>> open_char_backend(std::string_view spec, CharOptions options) {
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon);
  const std::string path(colon == std::string_view::npos ? std::string_view() : spec.substr(colon + 1));
  const bool takes_path = kind == "file" || kind == "unix";
  if (path.empty()) {
    if (takes_path) return user_error(fmt::format("serial: '{}' needs a path, as in {}:PATH", spec, kind));
    if (spec == "null") return std::unique_ptr<CharBackend>(new NullBackend);
    if (spec == "stdio") return open_stdio(std::move(options));
    if (spec == "pty") return open_pty();
  } else if (kind == "file") {
    return open_file(path);
  } else if (kind == "unix") {
    return open_unix(path);
  }
  return user_error(fmt::format("serial: '{}' is none of null, stdio, pty, file:PATH, unix:PATH", spec));
}

}  // namespace tandem::devices
