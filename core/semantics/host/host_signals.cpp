#include "core/semantics/host/host_signals.h"

#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstring>
#include <mutex>

namespace tandem::semantics {

namespace {

constexpr std::array kSignals = {SIGFPE, SIGSEGV, SIGILL};
constexpr greg_t kPageFaultWrite = 2;  // of a page fault's error code

// A signal handler has nothing but its thread to find its data by.
thread_local SignalScope::Running running;

struct sigaction& previous(int signal) {
  static std::array<struct sigaction, kSignals.size()> actions;
  for (std::size_t i = 0; i < kSignals.size(); ++i)
    if (kSignals[i] == signal) return actions[i];
  return actions[0];
}

void pass_on(int signal, siginfo_t* info, void* context) {
  const struct sigaction& before = previous(signal);
  if (before.sa_flags & SA_SIGINFO) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
    sigaction(signal, &before, nullptr);  // raised again when the instruction is
  } else {
    before.sa_handler(signal);
  }
}

void on_signal(int signal, siginfo_t* info, void* context) {
  // SAFETY: the kernel passes a ucontext_t to SA_SIGINFO handlers (sigaction(2)).
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const auto rip = static_cast<u64>(machine.gregs[REG_RIP]);
  const std::optional<u64> way = running.ways ? running.ways->way_out(rip) : std::nullopt;
  if (!way && (!running.arena || !running.arena->contains(rip))) return pass_on(signal, info, context);
  running.frame->signal = static_cast<u32>(signal);
  running.frame->fault_pc = rip;
  running.frame->fault_address = signal == SIGSEGV ? reinterpret_cast<u64>(info->si_addr) : 0;
  running.frame->fault_write = machine.gregs[REG_ERR] & kPageFaultWrite;
  if (way) {
    machine.gregs[REG_RIP] = static_cast<greg_t>(*way);
    return;
  }
  running.frame->fault_mxcsr = machine.fpregs->mxcsr;
  // SAFETY: the frame begins as FXSAVE does (Linux, asm/sigcontext.h); registers that the thunk loaded are in
  // it.
  std::memcpy(&running.frame->xsave.x87, machine.fpregs, sizeof running.frame->xsave.x87);
  machine.gregs[REG_RIP] = static_cast<greg_t>(running.frame->fault_exit);
}

}  // namespace

void install_signal_handlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    for (int s : kSignals) sigaction(s, &action, &previous(s));
  });
}

SignalScope::SignalScope(const CodeArena& arena, HostFrame& frame, const WaysOut* ways) : outer_(running) {
  running = {&arena, &frame, ways};
}
SignalScope::~SignalScope() { running = outer_; }

}  // namespace tandem::semantics
