// What follows from what a probe found.
#include "hwassist/findings.h"

#include <gtest/gtest.h>

namespace tandem::tests {
namespace {

using namespace hwassist;

constexpr ModeFinding kFast{true, true, 0.4}, kSlow{true, true, 400}, kNoSse{true, false, 0.4}, kFails{};

Findings with(ModeFinding kernel64, ModeFinding user64, ModeFinding others) {
  Findings f;
  f.modes.fill(others);
  f.modes[static_cast<unsigned>(CodeMode::Kernel64)] = kernel64;
  f.modes[static_cast<unsigned>(CodeMode::User64)] = user64;
  return f;
}

TEST(Findings, DecideWhatKvmIsUsedFor) {
  struct Row {
    const char* name;
    Findings findings;
    Assist assist;
    bool real;  // is KVM used in real mode?
  };
  Findings none;
  none.obstacle = "/dev/kvm: No such file or directory";
  const Row rows[] = {
      {"hardware", with(kFast, kFast, kFast), Assist::Full, true},
      {"hardware without real mode", with(kFast, kFast, kSlow), Assist::Full, false},
      {"page tables virtualised", with(kSlow, kFast, kSlow), Assist::User, false},
      {"kernel code without SSE", with(kNoSse, kFast, kFast), Assist::User, true},
      {"all emulated", with(kSlow, kSlow, kSlow), Assist::None, false},
      {"nothing runs", with(kFails, kFails, kFails), Assist::None, false},
      {"kernels alone", with(kFast, kFails, kFast), Assist::None, true},
      {"no device", none, Assist::None, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const Verdict v = judge(row.findings);
    EXPECT_EQ(v.assist, row.assist);
    EXPECT_EQ(v.usable[static_cast<unsigned>(CodeMode::Real)], row.real);
    EXPECT_FALSE(v.reason.empty());
    EXPECT_EQ(v.reason.find('\n'), std::string::npos);
  }
  EXPECT_EQ(judge(none).reason, none.obstacle);
}

}  // namespace
}  // namespace tandem::tests
