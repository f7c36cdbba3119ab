#include "devices/backend/net/tap_network.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tandem::devices {

namespace {

constexpr u16 kEthernetMtu = 1500;
constexpr unsigned kFramesAtOnce = 64;

}  // namespace

Result<std::unique_ptr<Network>> TapNetwork::create(const std::string& interface, u16 mtu) {
  const std::string what = "tap " + (interface.empty() ? "device" : interface) + ": ";
  if (interface.size() >= IFNAMSIZ) return user_error(what + "the name is too long");
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return host_error(what + "/dev/net/tun: " + std::strerror(errno));
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::memcpy(request.ifr_name, interface.data(), interface.size());
  // SAFETY: TUNSETIFF reads and writes one ifreq.
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    const int error = errno;
    close(fd);
    return host_error(what + std::strerror(error));
  }
  return std::unique_ptr<Network>(new TapNetwork(fd, mtu ? mtu : kEthernetMtu));
}

TapNetwork::~TapNetwork() { close(fd_); }

// What the host does not take now is lost, as on a wire.
void TapNetwork::send(Frame frame) {
  [[maybe_unused]] const ssize_t n = write(fd_, frame.data(), frame.size());
}

void TapNetwork::prepare(std::vector<pollfd>& fds, int&) { fds.push_back({fd_, POLLIN, 0}); }

void TapNetwork::handle(std::span<const pollfd> fds) {
  if (fds.empty() || !fds[0].revents) return;
  for (unsigned i = 0; i < kFramesAtOnce; ++i) {
    const ssize_t n = read(fd_, buffer_.data(), buffer_.size());
    if (n <= 0) return;
    to_guest_(std::span(buffer_).first(static_cast<std::size_t>(n)));
  }
}

Result<void> TapNetwork::forward(const Forward&) {
  return user_error("hostfwd: a tap device has no ports to forward; it is for type=user");
}

}  // namespace tandem::devices
