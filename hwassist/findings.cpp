#include "hwassist/findings.h"

#include <fmt/format.h>

namespace tandem::hwassist {

namespace {

std::string speed_of(const ModeFinding& m) {
  if (!m.runs) return "fails";
  if (!m.sse) return "fails at SSE";
  return fmt::format("takes {:.1f} ns an instruction", m.ns);
}

}  // namespace

Verdict judge(const Findings& f) {
  Verdict v;
  if (!f.obstacle.empty()) {
    v.reason = f.obstacle;
    return v;
  }
  for (unsigned i = 0; i < kCodeModes; ++i)
    v.usable[i] = f.modes[i].runs && f.modes[i].sse && f.modes[i].ns <= kMaxNs;
  v.shifts_tsc = f.shifts_tsc;
  const auto usable = [&](CodeMode m) { return v.usable[static_cast<unsigned>(m)]; };
  if (usable(CodeMode::Kernel64) && usable(CodeMode::User64)) {
    v.assist = Assist::Full;
    v.reason = "KVM runs kernels at the host's speed";
    return v;
  }
  if (usable(CodeMode::User64)) v.assist = Assist::User;
  v.reason = fmt::format("KVM is here without hardware: kernel code {}, user code {}",
                         speed_of(f.of(CodeMode::Kernel64)), speed_of(f.of(CodeMode::User64)));
  return v;
}

}  // namespace tandem::hwassist
