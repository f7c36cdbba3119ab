// Local APICs and the messages between them, the IOAPIC and devices (SDM vol. 3, chapter 11).
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "core/bus/io.h"
#include "core/cpu/cpu_state.h"
#include "core/cpu/engine.h"
#include "core/irq/line.h"
#include "core/time/clock.h"

namespace tandem::irq {

enum class Delivery : u8 {
  Fixed = 0,
  LowestPriority = 1,
  Smi = 2,
  Nmi = 4,
  Init = 5,
  Startup = 6,
  ExtInt = 7
};

struct ApicMessage {
  u32 destination = 0;
  bool logical = false;
  Delivery delivery = Delivery::Fixed;
  u8 vector = 0;
  bool level = false;
};

// Where a local APIC's decisions go: the machine. [any-thread]
class CpuSignals {
 public:
  virtual void signal_vcpu(VcpuId vcpu, cpu::Signal signal, u8 sipi_vector) = 0;

 protected:
  ~CpuSignals() = default;
};

// The 8259 pair's INTA cycle.
class PicAcknowledge {
 public:
  virtual u8 acknowledge() = 0;

 protected:
  ~PicAcknowledge() = default;
};

// Told when a level-triggered interrupt has been served (IOAPIC). Called with no APIC lock held.
class EoiListener {
 public:
  virtual void end_of_interrupt(u8 vector) = 0;

 protected:
  ~EoiListener() = default;
};

class Lapic;

// All local APICs of a machine. Filled before the first vCPU runs, constant from then on.
class ApicBus final : public MsiTarget {
 public:
  void attach(Lapic& lapic) { lapics_.push_back(&lapic); }
  void connect_pic(PicAcknowledge& pic) { pic_ = &pic; }
  void connect_eoi(EoiListener& listener) { eoi_.push_back(&listener); }

  EdgeEffect deliver(const ApicMessage& message);  // [any-thread]
  void send(const MsiMessage& message) override;   // [any-thread]
  // An inter-processor interrupt; ICR layout as in x2APIC mode, destination in the high half.
  void deliver_ipi(Lapic& from, u64 icr, u32 destination);
  void broadcast_eoi(u8 vector);
  PicAcknowledge* pic() { return pic_; }

 private:
  template <class Predicate>
  EdgeEffect deliver_where(const ApicMessage& message, Predicate addressed);

  std::vector<Lapic*> lapics_;
  std::vector<EoiListener*> eoi_;
  PicAcknowledge* pic_ = nullptr;
};

// One local APIC. The timer counts nanoseconds (a 1 GHz bus clock) divided by the divide register.
class Lapic final {
 public:
  Lapic(VcpuId id, time::Clock& clock, ApicBus& bus, CpuSignals& signals);
  Lapic(const Lapic&) = delete;
  Lapic& operator=(const Lapic&) = delete;

  void reset(bool bsp);
  VcpuId id() const { return id_; }

  // The register page in xAPIC mode: whether this address is in it, and an access to it. [vcpu-thread]
  bool covers(u64 address) const {
    const u64 base = apic_base_.load(std::memory_order_relaxed);
    return (base & 0xc00) == 0x800 && ((address ^ base) & 0xffffff000) == 0;
  }
  void io(bus::IoAccess& access);
  // IA32_APIC_BASE, IA32_TSC_DEADLINE and, in x2APIC mode, 0x800..0x83f. False: #GP. The deadline counts
  // Clock::tsc ticks: an engine takes tsc_offset off first.
  bool msr(cpu::MsrAccess& access);

  bool interrupt_pending() const { return ready_.load(std::memory_order_acquire); }
  std::optional<u8> take_interrupt();
  u8 read_cr8();
  void write_cr8(u8 value);

  // The INTR output of the 8259, wired to LINT0. [any-thread]
  void set_pic_intr(bool level);
  void set_lint1(bool level);

  // From the APIC bus. [any-thread]
  bool matches(const ApicMessage& message) const;
  EdgeEffect accept(const ApicMessage& message);
  u32 priority() const;

  cpu::LapicState state() const;
  u64 apic_base() const { return apic_base_.load(std::memory_order_relaxed); }
  void load_state(const cpu::LapicState& state, u64 apic_base);

 private:
  bool enabled() const { return apic_base() & 0x800; }
  bool x2apic() const { return (apic_base() & 0xc00) == 0xc00; }
  bool software_enabled() const { return s_.svr & 0x100; }
  u32 ppr() const;
  std::optional<u32> read_reg(u32 reg);
  bool read_x2apic(u32 reg, u64& value);
  bool write_x2apic(u32 reg, u64 value);
  bool write_reg(u32 reg, u32 value);
  void write_lvt(u32& lvt, u32 value, u32 writable);
  bool write_base(u64 value);
  void raise_error(u32 bit);
  EdgeEffect set_irr(u8 vector, bool level);
  void eoi(std::optional<u8>& broadcast);
  bool write_icr(u64 icr);
  void send_ipi(u64 icr);
  void deliver_lvt(u32 lvt);
  void update();  // recomputes ready_, signals the vCPU on a change to true
  void reset_registers();

  u32 timer_divisor() const;
  u32 timer_mode() const { return (s_.lvt_timer >> 17) & 3; }
  u32 timer_current() const;
  void set_divide(u32 value);
  void skip_missed();
  void arm_timer();
  void timer_fired();

  VcpuId id_;
  time::Clock& clock_;
  ApicBus& bus_;
  CpuSignals& signals_;
  mutable std::mutex mutex_;  // guards all below but atomics' reads
  cpu::LapicState s_;
  bool bsp_ = false;
  bool pic_intr_ = false;
  bool extint_latched_ = false;  // ExtINT came as a message
  std::atomic<u64> apic_base_ = 0;
  std::atomic<bool> ready_ = false;
  time::Timer timer_;
};

}  // namespace tandem::irq
