// A threaded interpreter: each handler jumps to the next one through a table; a loop of 7 operations, 256
// times.
#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

enum Op : u8 { kLoad, kAdd, kXor, kShift, kStore, kDecrement, kJumpBack, kEnd };

struct Registers {
  u64 accumulator = 0;
  u64 count = 256;
  std::array<u64, 4> memory{1, 2, 3, 4};
};

struct Instruction {
  Op op;
  u8 operand;
};

using Handler = void (*)(const Instruction*, Registers&);
void dispatch(const Instruction* at, Registers& r);

void load(const Instruction* at, Registers& r) {
  r.accumulator = r.memory[at->operand];
  [[clang::musttail]] return dispatch(at + 1, r);
}
void add(const Instruction* at, Registers& r) {
  r.accumulator += r.memory[at->operand];
  [[clang::musttail]] return dispatch(at + 1, r);
}
void exclusive_or(const Instruction* at, Registers& r) {
  r.accumulator ^= r.memory[at->operand];
  [[clang::musttail]] return dispatch(at + 1, r);
}
void shift(const Instruction* at, Registers& r) {
  r.accumulator = r.accumulator << at->operand | r.accumulator >> (64 - at->operand);
  [[clang::musttail]] return dispatch(at + 1, r);
}
void store(const Instruction* at, Registers& r) {
  r.memory[at->operand] = r.accumulator;
  [[clang::musttail]] return dispatch(at + 1, r);
}
void decrement(const Instruction* at, Registers& r) {
  --r.count;
  [[clang::musttail]] return dispatch(at + 1, r);
}
void jump_back(const Instruction* at, Registers& r) {
  at = r.count == 0 ? at + 1 : at - at->operand;
  [[clang::musttail]] return dispatch(at, r);
}
void end(const Instruction*, Registers&) {}

constexpr std::array<Handler, 8> kHandlers{load, add, exclusive_or, shift, store, decrement, jump_back, end};

// Inlined, so that each handler has a jump of its own.
[[gnu::always_inline]] inline void dispatch(const Instruction* at, Registers& r) {
  [[clang::musttail]] return kHandlers[at->op](at, r);
}

class BytecodeVm {
 public:
  void once() {
    registers_ = Registers{};
    dispatch(program_.data(), registers_);
  }
  u64 checksum() const { return hash(std::span<const u64>(registers_.memory)); }

 private:
  std::array<Instruction, 8> program_{{{kLoad, 0},
                                       {kAdd, 1},
                                       {kXor, 2},
                                       {kShift, 13},
                                       {kStore, 0},
                                       {kDecrement, 0},
                                       {kJumpBack, 6},
                                       {kEnd, 0}}};
  Registers registers_;
};

}  // namespace

Workload bytecode_vm() { return make_workload<BytecodeVm>("bytecode-vm", "control"); }

}  // namespace tandem::bench
