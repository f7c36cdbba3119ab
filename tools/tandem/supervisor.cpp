#include "tools/tandem/supervisor.h"

#include <pthread.h>
#include <signal.h>

namespace tandem::tools {

namespace {

constexpr auto kLook = std::chrono::milliseconds(50);

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Supervisor::Supervisor() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Supervisor::~Supervisor() = default;

void Supervisor::start(std::function<void()> stop, std::chrono::seconds limit) {
  stop_ = std::move(stop);
  thread_ = std::jthread([this, limit](std::stop_token token) { watch(token, limit); });
}

void Supervisor::finish() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Supervisor::escape() { escaped_ = true; }

void Supervisor::quit() { quit_ = true; }

void Supervisor::end(Ended why) {
  ended_ = why;
  stop_();
}

void Supervisor::watch(std::stop_token stop_token, std::chrono::seconds limit) {
  const auto started = std::chrono::steady_clock::now();
  const sigset_t set = ending_signals();
  const timespec wait{0, std::chrono::nanoseconds(kLook).count()};
  while (!stop_token.stop_requested()) {
    if (const int s = sigtimedwait(&set, nullptr, &wait); s > 0) {
      signal_ = s;
      return end(Ended::Signal);
    }
    if (escaped_) return end(Ended::Escape);
    if (quit_) return end(Ended::Quit);
    if (limit.count() && std::chrono::steady_clock::now() - started >= limit) return end(Ended::Timeout);
  }
}

}  // namespace tandem::tools
