// What instructions of a sample find where else there is a machine.
#pragma once

#include "core/cpu/engine.h"

namespace tandem::verify {

// No devices: notes that somebody asked for one, and what it answers says nothing.
class NoDevices final : public cpu::ExitSink {
 public:
  explicit NoDevices(cpu::ExitSink& machine) : machine_(machine) {}
  bool asked() const { return asked_; }

  void io(bus::IoAccess& access) override { access.value = note(~u64{0}); }
  bool msr(cpu::MsrAccess& access) override { return access.value = note(0), true; }
  bool interrupt_pending(VcpuId) override { return false; }
  std::optional<u8> take_interrupt(VcpuId) override { return {}; }
  u8 read_cr8(VcpuId vcpu) override { return machine_.read_cr8(vcpu); }
  void write_cr8(VcpuId, u8) override { note(0); }
  u64 tsc_ticks(VcpuId) override { return note(0); }
  // No instruction of a sample reads the TSC, and not every KVM can have the machine's.
  std::optional<u64> host_tsc_offset() override { return 0; }

 private:
  u64 note(u64 answer) {
    asked_ = true;
    return answer;
  }
  cpu::ExitSink& machine_;
  bool asked_ = false;
};

// The machine, but interrupts wait.
class NoInterrupts final : public cpu::ExitSink {
 public:
  explicit NoInterrupts(cpu::ExitSink& machine) : machine_(machine) {}
  bool asked() const { return asked_; }

  void io(bus::IoAccess& access) override { machine().io(access); }
  bool msr(cpu::MsrAccess& access) override { return machine().msr(access); }
  bool interrupt_pending(VcpuId) override { return false; }
  std::optional<u8> take_interrupt(VcpuId) override { return {}; }
  u8 read_cr8(VcpuId vcpu) override { return machine_.read_cr8(vcpu); }
  void write_cr8(VcpuId vcpu, u8 value) override { machine().write_cr8(vcpu, value); }
  u64 tsc_ticks(VcpuId vcpu) override { return machine().tsc_ticks(vcpu); }
  std::optional<u64> host_tsc_offset() override { return machine_.host_tsc_offset(); }

 private:
  cpu::ExitSink& machine() {
    asked_ = true;
    return machine_;
  }
  cpu::ExitSink& machine_;
  bool asked_ = false;
};

}  // namespace tandem::verify
