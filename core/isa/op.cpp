#include "core/isa/op.h"

namespace tandem::isa {

namespace {

struct Row {
  const char* name;
  Flow flow;
};

constexpr Row kRows[] = {
#define SIZED(mnemonic, function, flow) {#mnemonic, Flow::flow},
#define PLAIN(mnemonic, function, flow) {#mnemonic, Flow::flow},
#define FORM(name, function, flow) {#name, Flow::flow},
#include "core/isa/isa.def"
#undef SIZED
#undef PLAIN
#undef FORM
};

}  // namespace

Flow flow_of(Op op) { return kRows[static_cast<unsigned>(op)].flow; }
const char* name_of(Op op) { return kRows[static_cast<unsigned>(op)].name; }

}  // namespace tandem::isa
