#include "devices/backend/unix_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tandem::devices {

namespace {

constexpr int kBacklog = 16;

Error refused(const std::string& path) {
  return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return user_error(path + ": is too long for a socket's path");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// The descriptor, or -1 with errno set.
int try_connect(const sockaddr_un& address, int flags = 0) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

// Makes room where a guest that was killed has left its socket.
Result<void> remove_left_over(const std::string& path, const sockaddr_un& address) {
  struct stat s;
  if (lstat(path.c_str(), &s) != 0) return {};
  if (!S_ISSOCK(s.st_mode)) return user_error(path + ": exists, and is no socket");
  const int fd = try_connect(address);
  if (fd < 0 && errno == ECONNREFUSED) return unlink(path.c_str()), Result<void>();
  if (fd >= 0) close(fd);
  return user_error(path + ": a guest that is running listens there");
}

}  // namespace

Result<int> listen_at(const std::string& path) {
  TANDEM_TRY_ASSIGN(address, address_of(path));
  TANDEM_TRY(remove_left_over(path, address));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return refused(path);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      chmod(path.c_str(), 0600) == 0 && listen(fd, kBacklog) == 0)
    return fd;
  const Error error = refused(path);
  close(fd);
  return error;
}

Result<int> connect_to(const std::string& path, int flags) {
  TANDEM_TRY_ASSIGN(address, address_of(path));
  const int fd = try_connect(address, flags);
  return fd < 0 ? Result<int>(refused(path)) : fd;
}

}  // namespace tandem::devices
