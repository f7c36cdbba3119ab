// Ends a run from outside: the time limit, SIGINT, SIGTERM, the console's escape key.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace tandem::tools {

class Supervisor {
 public:
  enum class Ended : int { No, Timeout, Escape, Quit, Signal };

  // Blocks SIGINT and SIGTERM for this thread and those it starts: create it before any other.
  Supervisor();
  ~Supervisor();

  // stop: asks the guest's run() to return. [any-thread] seconds: 0 = no limit.
  void start(std::function<void()> stop, std::chrono::seconds limit);
  // From here on `stop` is not called any more; one that is under way has returned.
  void finish();
  void escape();  // [any-thread]
  void quit();    // [any-thread]
  Ended ended() const { return ended_.load(); }
  int signal() const { return signal_.load(); }

 private:
  void watch(std::stop_token stop_token, std::chrono::seconds limit);
  void end(Ended why);

  std::function<void()> stop_;
  std::atomic<Ended> ended_ = Ended::No;
  std::atomic<bool> escaped_ = false, quit_ = false;
  std::atomic<int> signal_ = 0;
  std::jthread thread_;
};

}  // namespace tandem::tools
