// What a vCPU finds around it that is alone: no port, no interrupt; time stands still.
#pragma once

#include "core/cpu/engine.h"

namespace tandem::tests {

class NoDevices final : public cpu::ExitSink {
 public:
  void io(bus::IoAccess& access) override { access.value = ~u64{0}; }
  bool msr(cpu::MsrAccess&) override { return false; }
  bool interrupt_pending(VcpuId) override { return false; }
  std::optional<u8> take_interrupt(VcpuId) override { return {}; }
  u8 read_cr8(VcpuId) override { return 0; }
  void write_cr8(VcpuId, u8) override {}
  u64 tsc_ticks(VcpuId) override { return 0; }
};

}  // namespace tandem::tests
