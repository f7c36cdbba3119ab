// An ExitSink that notes accesses and has interrupts to give.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "core/cpu/engine.h"

namespace tandem::tests {

class BareSink final : public cpu::ExitSink {
 public:
  std::vector<bus::IoAccess> accesses;
  std::vector<u8> interrupts;  // that wait
  u64 read_value = 0;
  u64 tsc_offset = 0;
  std::function<bool(cpu::MsrAccess&)> on_msr = [](cpu::MsrAccess&) { return false; };

  void io(bus::IoAccess& access) override {
    if (access.dir == bus::IoDir::Read) access.value = read_value;
    accesses.push_back(access);
  }
  bool msr(cpu::MsrAccess& access) override { return on_msr(access); }
  bool interrupt_pending(VcpuId) override { return !interrupts.empty(); }
  std::optional<u8> take_interrupt(VcpuId) override {
    if (interrupts.empty()) return {};
    const u8 vector = interrupts.back();
    interrupts.pop_back();
    return vector;
  }
  u8 read_cr8(VcpuId) override { return 0; }
  void write_cr8(VcpuId, u8) override {}
  u64 tsc_ticks(VcpuId) override { return 0; }
  std::optional<u64> host_tsc_offset() override { return tsc_offset; }
};

}  // namespace tandem::tests
