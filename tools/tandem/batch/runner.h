// Runs cases of a suite as processes of their own, some at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/tandem/batch/suite.h"

namespace tandem::tools {

struct BatchResult {
  std::string name;
  bool passed = false;
  std::string reason;  // why not, in one line
  double seconds = 0;  // of the last attempt
  unsigned attempts = 0;
  int status = 0;
  u64 resident = 0;    // MiB, at most
  std::string folder;  // with the serial port's log, what the run said, a screenshot; where it failed
};

struct RunnerOptions {
  std::string tandem;  // the program
  std::string output;  // folder for what failing runs leave
  unsigned jobs = 1;
};

class Runner {
 public:
  using Clock = std::chrono::steady_clock;
  // Told of each end of a case, and now and then of what runs.
  struct Watcher {
    std::function<void(const BatchResult&)> ended;
    std::function<void(const std::vector<std::string>& running)> look;
  };

  Runner(RunnerOptions options, std::vector<BatchCase> cases, Watcher watcher);
  ~Runner();
  // Returns when all have ended, or, by SIGINT or SIGTERM, when none runs any more.
  Result<std::vector<BatchResult>> run();
  bool interrupted() const { return interrupted_; }

 private:
  struct Running {
    const BatchCase* what;
    pid_t pid = 0;
    unsigned attempt = 1;
    Clock::time_point started;
    std::string folder;
    bool killed = false;
  };

  Result<void> start(const BatchCase& what, unsigned attempt);
  void wait();
  void collect();
  void enforce_limits();
  void end_all();
  void finish(const Running& run, int wait_status, u64 resident);
  std::string judge(const Running& run, int status, u64 resident) const;

  RunnerOptions options_;
  std::vector<BatchCase> cases_;
  Watcher watcher_;
  std::deque<std::pair<const BatchCase*, unsigned>> waiting_;  // with the attempt
  std::vector<Running> running_;
  std::vector<BatchResult> results_;
  int signals_ = -1;
  bool interrupted_ = false;
  Clock::time_point interrupted_at_;
};

}  // namespace tandem::tools
