#include "tools/tandem/batch/runner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tools/tandem/report.h"

namespace tandem::tools {

namespace fs = std::filesystem;

namespace {

constexpr auto kGrace = std::chrono::seconds(15);   // behind a guest's own time limit
constexpr auto kEnding = std::chrono::seconds(10);  // between SIGTERM and SIGKILL
constexpr int kLookEvery = 200;                     // milliseconds

std::string file_name(std::string name) {
  for (char& c : name)
    if (c == '/' || c == ' ') c = '-';
  return name;
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGCHLD, SIGINT, SIGTERM}) sigaddset(&set, s);
  return set;
}

// In the child, which has one thread: becomes the program, or nothing.
[[noreturn]] void become(const std::vector<char*>& arguments, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kHostRefused);
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  dup2(log, 1);
  dup2(log, 2);
  execv(arguments[0], arguments.data());
  _exit(kHostRefused);
}

std::string last_line(const std::string& path) {
  std::ifstream in(path);
  std::string line, last;
  while (std::getline(in, line))
    if (!line.empty()) last = line;
  return last;
}

}  // namespace

Runner::Runner(RunnerOptions options, std::vector<BatchCase> cases, Watcher watcher)
    : options_(std::move(options)), cases_(std::move(cases)), watcher_(std::move(watcher)) {
  for (const BatchCase& c : cases_) waiting_.emplace_back(&c, 1);
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Runner::~Runner() {
  for (const Running& r : running_) {
    kill(-r.pid, SIGKILL);
    waitpid(r.pid, nullptr, 0);
  }
  close(signals_);
}

Result<std::vector<BatchResult>> Runner::run() {
  std::error_code error;
  fs::create_directories(options_.output, error);
  if (error) return user_error(fmt::format("{}: {}", options_.output, error.message()));
  while (!running_.empty() || (!waiting_.empty() && !interrupted_)) {
    while (!interrupted_ && !waiting_.empty() && running_.size() < options_.jobs) {
      const auto [what, attempt] = waiting_.front();
      waiting_.pop_front();
      TANDEM_TRY(start(*what, attempt));
    }
    std::vector<std::string> names;
    for (const Running& r : running_) names.push_back(r.what->name);
    watcher_.look(names);
    wait();
    collect();
    enforce_limits();
  }
  fs::remove(options_.output, error);  // where nothing was left in it
  return std::move(results_);
}

Result<void> Runner::start(const BatchCase& what, unsigned attempt) {
  Running r{&what, 0, attempt, Clock::now(), (fs::path(options_.output) / file_name(what.name)).string(),
            false};
  std::error_code error;
  fs::remove_all(r.folder, error);
  fs::create_directories(r.folder, error);
  if (error) return user_error(fmt::format("{}: {}", r.folder, error.message()));
  std::vector<std::string> words = {options_.tandem, "run"};
  words.insert(words.end(), what.arguments.begin(), what.arguments.end());
  words.push_back("--name=" + file_name(what.name));
  words.push_back("--control=none");
  words.push_back("--serial=file:" + r.folder + "/serial.log");
  words.push_back("--stats=" + r.folder + "/stats.json");
  if (what.has_display) words.push_back("--screenshot=" + r.folder + "/screen.png");
  std::vector<char*> arguments;
  for (std::string& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  const int log = open((r.folder + "/log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const pid_t parent = getpid();
  r.pid = log < 0 ? -1 : fork();
  if (r.pid == 0) become(arguments, log, parent);
  const int reason = errno;
  if (log >= 0) close(log);
  if (r.pid < 0) return host_error(fmt::format("{}: {}", what.name, std::strerror(reason)));
  setpgid(r.pid, r.pid);
  running_.push_back(std::move(r));
  return {};
}

void Runner::wait() {
  pollfd fd{signals_, POLLIN, 0};
  poll(&fd, 1, kLookEvery);
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    if (info.ssi_signo != SIGCHLD) end_all();
}

void Runner::end_all() {
  if (!interrupted_) interrupted_at_ = Clock::now();
  interrupted_ = true;
  for (const Running& r : running_) kill(-r.pid, SIGTERM);
}

void Runner::collect() {
  for (std::size_t i = 0; i < running_.size();) {
    int status;
    rusage usage{};
    if (wait4(running_[i].pid, &status, WNOHANG, &usage) != running_[i].pid) {
      ++i;
      continue;
    }
    const Running r = std::move(running_[i]);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    finish(r, status, static_cast<u64>(usage.ru_maxrss) / KiB);
  }
}

void Runner::enforce_limits() {
  const auto now = Clock::now();
  for (Running& r : running_) {
    const bool over = now - r.started > std::chrono::seconds(r.what->timeout) + kGrace;
    if (!over && !(interrupted_ && now - interrupted_at_ > kEnding)) continue;
    r.killed = true;
    kill(-r.pid, SIGKILL);
  }
}

void Runner::finish(const Running& r, int wait_status, u64 resident) {
  std::error_code ignored;
  if (interrupted_) {
    fs::remove_all(r.folder, ignored);
    return;
  }
  const int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  const std::string reason = judge(r, status, resident);
  if (!reason.empty() && r.attempt <= r.what->retries) {
    waiting_.emplace_front(r.what, r.attempt + 1);
    return;
  }
  const std::chrono::duration<double> taken = Clock::now() - r.started;
  BatchResult result{r.what->name, reason.empty(), reason,   taken.count(),
                     r.attempt,    status,         resident, r.folder};
  if (result.passed) {
    fs::remove_all(r.folder, ignored);
    result.folder.clear();
  }
  results_.push_back(result);
  watcher_.ended(result);
}

// Why it failed; empty: it did not.
std::string Runner::judge(const Running& r, int status, u64 resident) const {
  const BatchCase& what = *r.what;
  if (r.killed) return fmt::format("did not end within {} s, and was killed", what.timeout);
  if (status != what.status)
    return fmt::format("status {}, {} expected: {}", status, what.status, last_line(r.folder + "/log"));
  if (what.max_resident && resident > what.max_resident)
    return fmt::format("{} MiB resident, {} allowed", resident, what.max_resident);
  for (const std::string& pattern : what.forbid) {
    const std::regex forbidden(pattern, std::regex::ECMAScript | std::regex::optimize);
    std::ifstream in(r.folder + "/serial.log");
    for (std::string line; std::getline(in, line);)
      if (std::regex_search(line, forbidden)) return fmt::format("'{}' was printed: {}", pattern, line);
  }
  return {};
}

}  // namespace tandem::tools
