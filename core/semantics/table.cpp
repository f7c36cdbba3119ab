#include "core/semantics/table.h"

#include "core/semantics/arithmetic.h"
#include "core/semantics/bits.h"
#include "core/semantics/control.h"
#include "core/semantics/host/host.h"
#include "core/semantics/io.h"
#include "core/semantics/move.h"
#include "core/semantics/shift.h"
#include "core/semantics/stack.h"
#include "core/semantics/string.h"
#include "core/semantics/system.h"

namespace tandem::semantics {

namespace {

Step imul_one(Cpu& cpu, const Insn& insn) {
  switch (insn.size) {
    case 1: return imul_one_sized<u8>(cpu, insn);
    case 2: return imul_one_sized<u16>(cpu, insn);
    case 4: return imul_one_sized<u32>(cpu, insn);
    default: return imul_one_sized<u64>(cpu, insn);
  }
}

struct Row {
  Function by_size[4];  // 1, 2, 4, 8 bytes
};

constexpr Row kRows[] = {
#define SIZED(mnemonic, function, flow) {{function<u8>, function<u16>, function<u32>, function<u64>}},
#define PLAIN(mnemonic, function, flow) {{function, function, function, function}},
#define FORM(name, function, flow) {{function, function, function, function}},
#include "core/isa/isa.def"
#undef SIZED
#undef PLAIN
#undef FORM
};

constexpr unsigned size_index(u8 size) { return size <= 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3; }

}  // namespace

Function function_of(const Insn& insn) {
  return kRows[static_cast<unsigned>(insn.op)].by_size[size_index(insn.size)];
}

}  // namespace tandem::semantics
