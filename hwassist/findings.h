// What the probe found out about a KVM, and what follows from it. Pure.
#pragma once

#include <array>
#include <string>

#include "hwassist/mode.h"

namespace tandem::hwassist {

struct ModeFinding {
  bool runs = false;  // a loop came to its end
  bool sse = false;   // so did an SSE instruction
  double ns = 0;      // an instruction of the loop
};

struct Findings {
  std::string obstacle;  // why there is no KVM at all; empty: there is one
  std::array<ModeFinding, kCodeModes> modes;
  bool shifts_tsc = false;  // RDTSC in user code follows the offset that KVM is given

  const ModeFinding& of(CodeMode m) const { return modes[static_cast<unsigned>(m)]; }
};

// Above this, a mode is emulated instruction by instruction.
inline constexpr double kMaxNs = 20;

enum class Assist : u8 {
  None,  // of no use
  User,  // runs 64-bit code at CPL 3 natively, and nothing else
  Full,
};

struct Verdict {
  Assist assist = Assist::None;
  std::array<bool, kCodeModes> usable{};
  bool shifts_tsc = false;
  std::string reason;  // one line
};

Verdict judge(const Findings& findings);

}  // namespace tandem::hwassist
