// Local APICs on one bus, what they tell their CPUs, and the ways to their registers.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "core/base/bits.h"
#include "core/irq/lapic.h"
#include "core/irq/lapic_regs.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {

struct SignalRecord {
  u32 cpu;
  cpu::Signal signal;
  u8 sipi_vector = 0;
  bool operator==(const SignalRecord&) const = default;
};

// Keeps all but Interrupt, for which there is interrupt_pending().
class SignalLog final : public irq::CpuSignals {
 public:
  void signal_vcpu(VcpuId vcpu, cpu::Signal signal, u8 sipi_vector) override {
    if (signal != cpu::Signal::Interrupt) records_.push_back({raw(vcpu), signal, sipi_vector});
  }
  std::vector<SignalRecord> take() { return std::exchange(records_, {}); }

 private:
  std::vector<SignalRecord> records_;
};

class EoiLog final : public irq::EoiListener {
 public:
  void end_of_interrupt(u8 vector) override { vectors_.push_back(vector); }
  std::vector<u8> take() { return std::exchange(vectors_, {}); }

 private:
  std::vector<u8> vectors_;
};

class LapicFixture : public testing::Test {
 protected:
  static constexpr u32 kCpus = 4;
  static constexpr u64 kSoftwareOn = 0x1ff, kX2apicOn = irq::kDefaultBase | 0xc00;

  LapicFixture() {
    for (u32 i = 0; i < kCpus; ++i) {
      lapics.push_back(std::make_unique<irq::Lapic>(VcpuId{i}, bench.clock, bus, signals));
      bus.attach(*lapics[i]);
      write(i, irq::kRegSvr, kSoftwareOn);
    }
    bus.connect_eoi(eois);
  }

  u32 read(u32 cpu, u32 reg) {
    bus::IoAccess a{bus::BusKind::Mmio, bus::IoDir::Read, 4, VcpuId{cpu}, irq::kDefaultBase + reg * 16, 0, 0};
    lapics[cpu]->io(a);
    return static_cast<u32>(a.value);
  }
  void write(u32 cpu, u32 reg, u64 value) {
    bus::IoAccess a{
        bus::BusKind::Mmio, bus::IoDir::Write, 4, VcpuId{cpu}, irq::kDefaultBase + reg * 16, 0, value};
    lapics[cpu]->io(a);
  }
  std::optional<u64> rdmsr(u32 cpu, u32 index) {
    cpu::MsrAccess a{index, bus::IoDir::Read, VcpuId{cpu}, 0};
    return lapics[cpu]->msr(a) ? std::optional(a.value) : std::nullopt;
  }
  bool wrmsr(u32 cpu, u32 index, u64 value) {
    cpu::MsrAccess a{index, bus::IoDir::Write, VcpuId{cpu}, value};
    return lapics[cpu]->msr(a);
  }
  void send(u32 from, u64 icr) {
    write(from, irq::kRegIcrHigh, icr >> 32);
    write(from, irq::kRegIcrLow, icr & 0xffffffff);
  }
  void accept(u32 cpu, u8 vector, bool level = false) {
    lapics[cpu]->accept({.destination = cpu, .vector = vector, .level = level});
  }
  // Bit of a vector in IRR, ISR or TMR.
  bool vector_bit(u32 cpu, u32 first, u8 vector) { return read(cpu, first + vector / 32) >> vector % 32 & 1; }
  // The CPUs whose IRR has the vector, as a mask; takes it out of them.
  u32 take_receivers(u8 vector) {
    u32 mask = 0;
    for (u32 i = 0; i < kCpus; ++i) {
      const auto& irr = lapics[i]->state().irr;
      if (!(irr[vector / 32] >> vector % 32 & 1)) continue;
      mask |= 1u << i;
      EXPECT_EQ(lapics[i]->take_interrupt(), vector);
      cpu_eoi(i);
    }
    return mask;
  }
  void cpu_eoi(u32 cpu) {
    if ((lapics[cpu]->apic_base() & 0xc00) == 0xc00) wrmsr(cpu, 0x80b, 0);
    else write(cpu, irq::kRegEoi, 0);
  }

  DeviceBench bench;
  irq::ApicBus bus;
  SignalLog signals;
  EoiLog eois;
  std::vector<std::unique_ptr<irq::Lapic>> lapics;
};

}  // namespace tandem::tests
