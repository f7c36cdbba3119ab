#include "jit/regions/sampler.h"

#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <mutex>

namespace tandem::jit {

namespace {

// A signal handler has nothing but its thread to find its data by.
thread_local Sampler* of_this_thread = nullptr;

}  // namespace

// On the thread that is sampled, which may be in translated code.
void Sampler::on_signal(int, siginfo_t*, void* context) {
  // SAFETY: the kernel passes a ucontext_t to SA_SIGINFO handlers (sigaction(2)).
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  if (of_this_thread) of_this_thread->take(static_cast<u64>(machine.gregs[REG_RIP]));
}

void Sampler::take(u64 pc) {
  if (context_.mode.cpl == 3) user_ticks_.fetch_add(1, std::memory_order_relaxed);
  ticks_.fetch_add(1, std::memory_order_relaxed);
  context_.requests.fetch_or(cpu::kRequestProfile, std::memory_order_relaxed);
  const std::size_t n = count_.load(std::memory_order_relaxed);
  if (!arena_.contains(pc)) pc = context_.tier.executed_for;
  if (n == kMost || !pc) return;
  samples_[n] = {pc, context_.tier.page, context_.tier.branch_site, context_.tier.branch_target};
  count_.store(n + 1, std::memory_order_relaxed);
}

void Sampler::start() {
  if (of_this_thread == this) return;
  stop();
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigaction(SIGPROF, &action, nullptr);
  });
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGPROF;
  event._sigev_un._tid = gettid();  // sigev_notify_thread_id(7), for which glibc has no name
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer_) != 0) return;
  of_this_thread = this;
  thread_ = gettid();
  const itimerspec period{{0, kPeriodNs}, {0, kPeriodNs}};
  timer_settime(timer_, 0, &period, nullptr);
}

void Sampler::stop() {
  if (!thread_) return;
  timer_delete(timer_);
  if (of_this_thread == this) of_this_thread = nullptr;
  thread_ = 0;
}

Sampler::~Sampler() { stop(); }

}  // namespace tandem::jit
