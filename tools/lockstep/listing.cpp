#include "tools/lockstep/listing.h"

#include "tools/states/code.h"

namespace tandem::lockstep {

Result<std::vector<Executed>> list(Side& side, u64 to) {
  std::vector<Executed> out;
  states::CodeReader code(side.pc().memory(), side.model());
  while (side.position() < to && !side.ended()) {
    Executed& e = out.emplace_back();
    e.number = side.position() + 1;
    TANDEM_TRY(side.state(e.before));
    e.text = states::disassemble(e.before, code.read(e.before));
    TANDEM_TRY(side.advance(e.number));
  }
  return out;
}

}  // namespace tandem::lockstep
