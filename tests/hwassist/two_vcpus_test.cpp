// Two vCPUs that send each other NMIs, INITs, SIPIs and interrupts while their engines change: each comes,
// and comes once.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>
#include <utility>

#include "tests/support/kvm_engines.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

using Kind = machine::RunOutcome::Kind;

constexpr u32 kAllCame = 1;
constexpr u64 kAnswers = 0x606;  // a word of RAM: what the first one has seen

std::string state_of(RomGuest& guest, u32 vcpu) {
  cpu::CpuState s;
  EXPECT_TRUE(guest.pc->machine().export_cpu(vcpu, s));
  return fmt::format("vCPU {}: ip {:x}, flags {:x}, activity {}, NMI pending {}, blocked {}\n", vcpu, s.rip,
                     s.rflags, static_cast<unsigned>(s.activity), s.events.nmi_pending, s.events.nmi_blocked);
}

// How often engines changed, and how often a vCPU went to KVM.
struct Changes {
  unsigned switches = 0;
  u64 to_kvm = 0;
};

Changes run_once(const std::vector<std::unique_ptr<cpu::Engine>>& engines, u32 seed) {
  const auto guest = make_rom_guest(interp::make_interp_engine(), read_bytes(IPIS_ROM),
                                    machine::ClockKind::Host, [](devices::PcConfig& c) { c.vcpus = 2; });
  const auto word = [&](u64 at) { return guest->pc->memory().read_value<u16>(Gpa{at}); };
  Changes changes;
  // Something is lost when nothing comes any more; on a busy host all of it takes its time.
  std::jthread switcher([&](std::stop_token stop) {
    constexpr auto kLimit = std::chrono::seconds(60);
    std::mt19937 random(seed);
    auto end = std::chrono::steady_clock::now() + kLimit;
    for (u16 answers = 0; !stop.stop_requested(); ++changes.switches) {
      const u16 now = word(kAnswers);
      if (std::exchange(answers, now) != now) end = std::chrono::steady_clock::now() + kLimit;
      EXPECT_TRUE(guest->pc->machine().switch_engine(*engines[random() % engines.size()]));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
      if (std::chrono::steady_clock::now() > end) return guest->pc->request_stop();
    }
  });
  const auto outcome = guest->pc->run();
  switcher.request_stop();
  switcher.join();
  EXPECT_TRUE(outcome) << outcome.error().message;
  const bool all_came =
      outcome && outcome.value().kind == Kind::DebugExit && outcome.value().value == kAllCame;
  EXPECT_TRUE(all_came) << "starts " << word(0x600) << ", NMIs " << word(0x602) << ", IPIs " << word(0x604)
                        << ", answers " << word(kAnswers) << ", after " << changes.switches << " switches\n"
                        << state_of(*guest, 0) << state_of(*guest, 1);
  changes.to_kvm = guest->pc->machine().statistics()["kvm.entries"];
  return changes;
}

TEST(TwoVcpus, LoseNothingOfWhatTheySendWhileEnginesChange) {
  constexpr unsigned kTries = 50, kSwitches = 200, kToKvm = 20;
  std::vector<std::unique_ptr<cpu::Engine>> engines;
  engines.push_back(interp::make_interp_engine());
  engines.push_back(jit::make_jit_engine({.threshold = 0}));
  // Without KVM, between the software engines.
  const bool with_kvm = kvm_obstacle().empty();
  if (with_kvm) engines.push_back(kvm_row("kvm", hwassist::Assist::Full).make());
  Changes all;
  u32 seed = std::random_device{}();
  const auto enough = [&] { return all.switches >= kSwitches && (!with_kvm || all.to_kvm >= kToKvm); };
  for (unsigned i = 0; i < kTries && !enough() && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << ++seed);
    const Changes more = run_once(engines, seed);
    all.switches += more.switches;
    all.to_kvm += more.to_kvm;
  }
  EXPECT_TRUE(enough()) << all.switches << " switches, " << all.to_kvm << " times to KVM";
}

}  // namespace
}  // namespace tandem::tests
