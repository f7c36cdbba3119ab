// What another vCPU sends while this one goes from KVM to the software engine or back: at each single call
// that is made of the host on the way, and it takes effect once.
#include "tests/hwassist/assisted_fixture.h"

namespace tandem::tests {
namespace {

using cpu::CpuState;
using cpu::Signal;

constexpr u8 kVector = 0x31, kSipiVector = 0x9a;
constexpr u64 kHandled = 0x500, kNmiHandler = 0x2000, kInterruptHandler = 0x3000;

// A life of four changes: KVM fails twice at an instruction, and halts when it is there for the third time.
class ChangeSignals : public AssistedTest {
 protected:
  void begin() {
    use(hwassist::Assist::Full);
    calls_ = 0;
    fake->interrupts.clear();
    fake->script = {exit_with(KVM_EXIT_INTERNAL_ERROR, kCode), exit_with(KVM_EXIT_INTERNAL_ERROR, kCode)};
    fake->without_script = [](kvm_run& run, kvm_regs&) {
      run.exit_reason = KVM_EXIT_HLT;
      run.ready_for_interrupt_injection = run.if_flag = 1;
      return 0;
    };
    start({0xeb, 0xfe});  // jmp $
    memory->write(Gpa{u64{kSipiVector} << 12}, std::vector<u8>{0xeb, 0xfe});
    for (const auto& [vector, handler] :
         {std::pair{u64{2}, kNmiHandler}, {u64{kVector}, kInterruptHandler}}) {
      memory->write_value<u32>(Gpa{4 * vector}, static_cast<u32>(handler));
      memory->write(Gpa{handler},
                    std::vector<u8>{0x2e, 0xff, 0x06, 0x00, 0x05, 0xcf});  // inc cs:[kHandled]; iret
    }
    memory->write_value<u16>(Gpa{kHandled}, 0);
    CpuState s = state();
    s.idtr = {0, 0x3ff};
    s.rflags |= cpu::kIf;
    s.gpr[cpu::kRsp] = 0x8000;
    ASSERT_TRUE(vcpu->import_state(s));
  }
  // Sends before the n-th call. Who has halted looks again when something was sent.
  void live(unsigned n, const std::function<void()>& send) {
    constexpr unsigned kNoEnd = 10'000;
    bool sent = false;
    fake->on_call = [&] {
      if (calls_ == kNoEnd) {
        ADD_FAILURE() << "goes to and fro";
        vcpu->kick();
      }
      if (calls_++ != n) return;
      sent = true;
      send();
    };
    run();
    if (sent && state().activity == cpu::Activity::Halted) run();
    fake->on_call = [] {};
  }
  u16 handled() { return memory->read_value<u16>(Gpa{kHandled}); }

  // Calls of a life in which nothing comes.
  unsigned all_calls() {
    begin();
    live(~0u, [] {});
    EXPECT_EQ(counter("kvm.entries"), 3u);
    EXPECT_EQ(handled(), 0u);
    return calls_;
  }

 private:
  unsigned calls_ = 0;
};

TEST_F(ChangeSignals, AnNmiIsHandledOnce) {
  for (unsigned n = 0, end = all_calls(); n < end; ++n) {
    SCOPED_TRACE(testing::Message() << "before call " << n << " of " << end);
    begin();
    live(n, [&] { vcpu->signal(Signal::Nmi, 0); });
    EXPECT_EQ(handled(), 1u);
  }
}

TEST_F(ChangeSignals, AnInterruptIsGivenOnce) {
  for (unsigned n = 0, end = all_calls(); n < end; ++n) {
    SCOPED_TRACE(testing::Message() << "before call " << n << " of " << end);
    begin();
    live(n, [&] {
      sink.interrupts = {kVector};
      vcpu->signal(Signal::Interrupt, 0);
    });
    EXPECT_EQ(handled() + fake->interrupts.size(), 1u);
    EXPECT_TRUE(sink.interrupts.empty());
  }
}

TEST_F(ChangeSignals, InitAndSipiStartAnew) {
  for (unsigned n = 0, end = all_calls(); n < end; ++n) {
    SCOPED_TRACE(testing::Message() << "before call " << n << " of " << end);
    begin();
    live(n, [&] {
      vcpu->signal(Signal::Init, 0);
      vcpu->signal(Signal::Startup, kSipiVector);
    });
    EXPECT_EQ(state().segments[cpu::kCs].selector, kSipiVector << 8);
    EXPECT_NE(state().activity, cpu::Activity::WaitForSipi);
  }
}

TEST_F(ChangeSignals, AKickEndsTheRun) {
  for (unsigned n = 0, end = all_calls(); n < end; ++n) {
    SCOPED_TRACE(testing::Message() << "before call " << n << " of " << end);
    begin();
    unsigned calls = 0;
    fake->on_call = [&] {
      if (calls++ == n) vcpu->kick();
    };
    const cpu::StopReason why = run();
    fake->on_call = [] {};
    EXPECT_EQ(why, cpu::StopReason::Kicked);
  }
}

}  // namespace
}  // namespace tandem::tests
