#include "tools/tandem/display/clipboard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "devices/backend/fd_char_backend.h"
#include "tools/tandem/display/base64.h"

namespace tandem::tools {

namespace {
constexpr std::size_t kMaxLine = (Clipboard::kMaxText + 2) / 3 * 4;
}

Result<std::unique_ptr<Clipboard>> Clipboard::create() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return host_error(fmt::format("clipboard: {}", std::strerror(errno)));
  return std::unique_ptr<Clipboard>(new Clipboard(ends[0], ends[1]));
}

Clipboard::Clipboard(int ours, int theirs)
    : ours_(ours),
      theirs_(theirs),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

Clipboard::~Clipboard() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  for (const int fd : {ours_, theirs_, wake_})
    if (fd >= 0) close(fd);
}

std::unique_ptr<devices::CharBackend> Clipboard::take_guest_end() {
  devices::FdCharBackend::Config config;
  config.input = std::exchange(theirs_, -1);
  config.output = fcntl(config.input, F_DUPFD_CLOEXEC, 3);
  return std::make_unique<devices::FdCharBackend>(std::move(config));
}

void Clipboard::set_listener(std::function<void(const std::string&)> listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = std::move(listener);
}

void Clipboard::copied_on_host(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    if (text == text_ || text.size() > kMaxText) return;
    text_ = text;
    unsent_ = true;
  }
  wake();
}

void Clipboard::set(const std::string& text) {
  copied_on_host(text);
  tell(text);
}

void Clipboard::tell(const std::string& text) {
  const std::lock_guard lock(listener_mutex_);
  if (listener_) listener_(text);
}

std::string Clipboard::text() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

void Clipboard::wake() {
  const u64 one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof one);
}

void Clipboard::run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      // Of what comes faster than the guest takes it, the newest.
      if (output_.empty() && std::exchange(unsent_, false)) output_ = to_base64(text_) + "\n";
    }
    send();
    pollfd fds[] = {{wake_, POLLIN, 0},
                    {ours_, static_cast<short>(output_.empty() ? POLLIN : POLLIN | POLLOUT), 0}};
    if (poll(fds, 2, -1) < 0) continue;
    u64 count;
    if (fds[0].revents) [[maybe_unused]]
      const ssize_t n = read(wake_, &count, sizeof count);
    if (fds[1].revents) receive();
  }
}

void Clipboard::send() {
  if (output_.empty() || ours_ < 0) return;
  const ssize_t n = ::send(ours_, output_.data(), output_.size(), MSG_NOSIGNAL);
  if (n > 0) output_.erase(0, static_cast<std::size_t>(n));
}

void Clipboard::receive() {
  char buffer[4096];
  const ssize_t n = recv(ours_, buffer, sizeof buffer, 0);
  if (n == 0) return close(std::exchange(ours_, -1)), void();  // the guest's end has gone
  if (n < 0) return;
  input_.append(buffer, static_cast<std::size_t>(n));
  for (std::size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1))
    take_line(input_.substr(0, end));
  if (input_.size() > kMaxLine) input_ = "?";  // whatever follows is no text, up to the line's end
}

void Clipboard::take_line(const std::string& line) {
  const std::optional<std::string> text = from_base64(line);
  if (!text || text->size() > kMaxText) return;
  {
    const std::lock_guard lock(mutex_);
    if (*text == text_) return;
    text_ = *text;
    unsent_ = false;
  }
  tell(*text);
}

}  // namespace tandem::tools
