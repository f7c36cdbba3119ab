#include "core/semantics/host/host.h"

#include "core/semantics/host/analyse.h"
#include "core/semantics/host/host_form.h"
#include "core/semantics/host/host_signals.h"
#include "core/semantics/host/thunk.h"

namespace tandem::semantics {

namespace {
constexpr u64 kArenaBytes = 16 * MiB;  // about 150,000 different instructions
constexpr u64 kReserve = 64 * KiB;     // more than one block's thunks
}  // namespace

HostCode::HostCode(std::unique_ptr<CodeArena> arena) : arena_(std::move(arena)) {
  frame_->fault_exit = reinterpret_cast<u64>(arena_->append(make_fault_exit()));
  first_thunk_ = arena_->used();
}

Result<std::unique_ptr<HostCode>> HostCode::create() {
  if (!host_has_avx())
    return host_error("this host's CPU lacks AVX with XSAVE, or its kernel does not enable them");
  TANDEM_TRY_ASSIGN(arena, CodeArena::create(kArenaBytes));
  install_signal_handlers();
  return std::unique_ptr<HostCode>(new HostCode(std::move(arena)));
}

bool HostCode::nearly_full() const { return arena_->room() < kReserve; }

void HostCode::clear() {
  by_code_.clear();
  insns_.clear();
  arena_->rewind(first_thunk_);
}

const HostInsn* HostCode::remember(std::string key, HostInsn insn) {
  insns_.push_back(insn);
  return by_code_[std::move(key)] = &insns_.back();
}

const HostInsn* HostCode::prepare(std::span<const u8> bytes, const ZydisDecodedInstruction& insn,
                                  const ZydisDecodedOperand* operands, u8 code_size) {
  std::optional<HostInsn> found = analyse(insn, operands);
  if (!found) return nullptr;
  std::vector<u8> code;
  if (found->vsib.count == 0)
    code = make_thunk(host_form(bytes, insn, operands, code_size == 8), insn, operands);
  else code.assign(bytes.begin(), bytes.end());
  std::string key(code.begin(), code.end());
  if (const auto it = by_code_.find(key); it != by_code_.end()) return it->second;
  if (found->vsib.count == 0) {
    const u8* at = arena_->append(code);
    if (!at) return nullptr;
    found->thunk = reinterpret_cast<Thunk>(reinterpret_cast<u64>(at));
  }
  return remember(std::move(key), *found);
}

// Nothing before a thunk says what type of function it is, as a sanitizer would have it.
[[clang::no_sanitize("function")]] u32 HostCode::call(Thunk thunk, u8* memory, cpu::CpuState& state) {
  const SignalScope scope(*arena_, *frame_);
  return thunk(memory, &state, 0, 0, frame_.get());
}

cpu::Step run_host(cpu::Cpu& cpu, const isa::Insn& insn) {
  const auto& host = *static_cast<const HostInsn*>(insn.host);
  return host.run(cpu, insn, host);
}

}  // namespace tandem::semantics
