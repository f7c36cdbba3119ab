// The names of isa.def's rows, and what a block builder needs to know of each.
#pragma once

#include "core/isa/insn.h"

namespace tandem::isa {

enum class Op : u16 {
#define SIZED(mnemonic, function, flow) mnemonic,
#define PLAIN(mnemonic, function, flow) mnemonic,
#define FORM(name, function, flow) name,
#include "core/isa/isa.def"
#undef SIZED
#undef PLAIN
#undef FORM
  kCount
};

enum class Flow : u8 { Normal, Branch, System };

Flow flow_of(Op op);
const char* name_of(Op op);

}  // namespace tandem::isa
