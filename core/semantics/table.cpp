#include "core/semantics/table.h"

#include "core/semantics/table_functions.h"

namespace tandem::semantics {

namespace {

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
