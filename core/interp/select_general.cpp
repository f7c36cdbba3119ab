// A handler for every row of isa.def, and the choice among all handlers.
#include "core/interp/handlers.h"
#include "core/isa/op.h"
#include "core/semantics/table_functions.h"

namespace tandem::interp {

namespace {

struct Row {
  Handler by_size[4];
};

using namespace semantics;

constexpr Row kRows[] = {
#define SIZED(mnemonic, function, flow) \
  {{op<function<u8>>, op<function<u16>>, op<function<u32>>, op<function<u64>>}},
#define PLAIN(mnemonic, function, flow) {{op<function>, op<function>, op<function>, op<function>}},
#define FORM(name, function, flow) {{op<function>, op<function>, op<function>, op<function>}},
#include "core/isa/isa.def"
#undef SIZED
#undef PLAIN
#undef FORM
};

constexpr unsigned size_index(u8 size) { return size <= 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3; }

}  // namespace

const void* select_handler(const Insn& insn) {
  if (const void* h = select_arithmetic(insn)) return h;
  if (const void* h = select_move(insn)) return h;
  if (const void* h = select_branch(insn)) return h;
  return reinterpret_cast<const void*>(kRows[static_cast<unsigned>(insn.op)].by_size[size_index(insn.size)]);
}

}  // namespace tandem::interp
