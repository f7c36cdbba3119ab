#include "tests/support/native_executor.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/bits.h"
#include "tests/support/native_context.h"
#include "tests/support/xsave_image.h"

extern "C" void tandem_native_enter();
extern "C" void tandem_native_leave();
extern "C" void tandem_native_recover();

namespace tandem::tests {

namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
constexpr u64 kCodeBytes = kPageSize;
constexpr int kGregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

NativeContext& context() { return *reinterpret_cast<NativeContext*>(kContextAddress); }

// Signals from elsewhere end the process, as without us.
void on_signal(int signal, siginfo_t*, void* where) {
  // SAFETY: the kernel passes a ucontext_t to SA_SIGINFO handlers.
  auto& machine = static_cast<ucontext_t*>(where)->uc_mcontext;
  const u64 rip = static_cast<u64>(machine.gregs[REG_RIP]);
  if (rip - kCodeAddress >= kCodeBytes) {
    ::signal(signal, SIG_DFL);
    return;
  }
  NativeContext& c = context();
  c.signal = static_cast<u32>(signal);
  c.fault_vector = static_cast<u64>(machine.gregs[REG_TRAPNO]);
  c.fault_code = static_cast<u64>(machine.gregs[REG_ERR]);
  c.fault_address = static_cast<u64>(machine.gregs[REG_CR2]);
  c.fault_rip = rip;
  for (unsigned i = 0; i < 16; ++i) c.gpr[i] = static_cast<u64>(machine.gregs[kGregs[i]]);
  c.rflags = static_cast<u64>(machine.gregs[REG_EFL]);
  // SAFETY: the frame holds an XSAVE area, and says its size in the bytes left to software (Linux, asm/sigcontext.h).
  constexpr unsigned kSizeOffset = 464 + 16;
  const auto* area = reinterpret_cast<const u8*>(machine.fpregs);
  std::memcpy(c.xsave, area, std::min<u32>(load_le<u32>(area + kSizeOffset), kXsaveArea));
  machine.gregs[REG_RIP] = static_cast<greg_t>(reinterpret_cast<u64>(tandem_native_recover));
}

u8* map_at(u64 address, u64 size, int protection) {
  void* p = mmap(reinterpret_cast<void*>(address), size, protection,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<u8*>(p);
}

}  // namespace

Result<std::unique_ptr<NativeExecutor>> NativeExecutor::create() {
  auto e = std::unique_ptr<NativeExecutor>(new NativeExecutor);
  e->code_ = map_at(kCodeAddress, kCodeBytes, PROT_READ | PROT_WRITE | PROT_EXEC);
  e->window_ = map_at(kWindowAddress, kWindowSize, PROT_READ | PROT_WRITE);
  e->context_ = reinterpret_cast<NativeContext*>(
      map_at(kContextAddress, sizeof(NativeContext), PROT_READ | PROT_WRITE));
  if (!e->code_ || !e->window_ || !e->context_)
    return host_error(std::string("fixed addresses are taken: ") + std::strerror(errno));
  static std::array<u8, 65536> signal_stack;
  const stack_t stack{signal_stack.data(), 0, signal_stack.size()};
  sigaltstack(&stack, nullptr);
  struct sigaction action{};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int s : kSignals) sigaction(s, &action, nullptr);
  e->context_->components = host_components();
  e->context_->code = kCodeAddress;
  return e;
}

NativeExecutor::~NativeExecutor() {
  if (code_) munmap(code_, kCodeBytes);
  if (window_) munmap(window_, kWindowSize);
  if (context_) munmap(context_, sizeof(NativeContext));
}

void NativeExecutor::run(std::span<const u8> code, RunState& state) {
  ensure(code.size() <= kMaxCode, "too much code for one run");
  // SAFETY: code patch in our own page; followed by JMP [rip+0] to the way out.
  std::memcpy(code_, code.data(), code.size());
  const u8 jump[] = {0xff, 0x25, 0, 0, 0, 0};
  std::memcpy(code_ + code.size(), jump, sizeof jump);
  store_le<u64>(code_ + code.size() + sizeof jump, reinterpret_cast<u64>(tandem_native_leave));
  std::copy(state.window.begin(), state.window.end(), window_);
  NativeContext& c = *context_;
  std::copy(std::begin(state.gpr), std::end(state.gpr), c.gpr);
  c.rflags = state.rflags;
  to_xsave(state.vector, c.xsave);
  c.signal = 0;
  tandem_native_enter();
  std::copy(std::begin(c.gpr), std::end(c.gpr), state.gpr);
  state.rflags = c.rflags;
  from_xsave(c.xsave, state.vector);
  std::copy_n(window_, kWindowSize, state.window.begin());
  state.rip = c.signal ? c.fault_rip : kCodeAddress + code.size();
  state.fault.reset();
  if (!c.signal) return;
  const bool page_fault = c.fault_vector == 14;
  state.fault = RunFault{static_cast<u8>(c.fault_vector), static_cast<u32>(c.fault_code),
                         page_fault ? c.fault_address : 0};
}

}  // namespace tandem::tests
