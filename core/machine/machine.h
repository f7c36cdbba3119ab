// Machine: vCPUs of an engine, their local APICs, memory, buses and clock. Knows no device by its kind.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "core/bus/bus.h"
#include "core/cpu/cpuid_models.h"
#include "core/cpu/engine.h"
#include "core/irq/lapic.h"
#include "core/machine/device.h"
#include "core/mem/guest_memory.h"
#include "core/time/clock.h"

namespace tandem::machine {

inline constexpr u32 kMaxVcpus = 254;  // 8-bit APIC ids, 255 is broadcast

enum class ClockKind : u8 { Host, Counted };

struct MachineConfig {
  u64 memory_bytes = 512 * MiB;
  u32 vcpus = 1;
  const cpu::CpuModel* model = nullptr;  // copied
  ClockKind clock = ClockKind::Host;
};

// Why a machine stopped.
struct RunOutcome {
  enum class Kind : u8 { PowerOff, Reset, TripleFault, Panic, DebugExit, ExitPort, Stopped, HostError };
  Kind kind = Kind::Stopped;
  u32 value = 0;       // DebugExit, ExitPort: what was written; Panic: the event bits
  std::string detail;  // TripleFault, HostError: which vCPU, why
};

class Machine final : public cpu::ExitSink, public irq::CpuSignals {
 public:
  static Result<std::unique_ptr<Machine>> create(const MachineConfig& config, cpu::Engine& engine);
  ~Machine() override;

  mem::GuestMemory& memory() { return *memory_; }
  bus::Bus& pio() { return pio_; }
  bus::Bus& mmio() { return mmio_; }
  time::Clock& clock() { return *clock_; }
  Counters& counters() { return counters_; }
  irq::ApicBus& apic_bus() { return apic_bus_; }
  irq::Lapic& lapic(u32 index) { return *cpus_[index]->lapic; }
  cpu::Vcpu& vcpu(u32 index) { return *cpus_[index]->vcpu; }
  u32 vcpu_count() const { return static_cast<u32>(cpus_.size()); }
  DeviceContext context() { return {pio_, mmio_, *memory_, *clock_, counters_}; }

  // Puts all vCPUs to the state after reset; the first one then gets `bsp`. No vCPU runs.
  Result<void> reset_cpus(const cpu::CpuState& bsp);

  // Runs all vCPUs, each on a thread, until stop() is called by somebody; can be called again after.
  RunOutcome run();
  // Only with the counted clock: runs the vCPU on the caller's thread until it has retired `instructions`
  // more, or something else ends the run (a halt that no timer will end: Stopped). Empty: the number was
  // reached.
  std::optional<RunOutcome> run_for(u64 instructions);
  // Ends run() with this outcome; the first caller wins. [any-thread]
  void stop(RunOutcome outcome);

  // Whole CPU states, local APIC included. No vCPU runs.
  Result<void> export_cpu(u32 index, cpu::CpuState& out);
  Result<void> import_cpu(u32 index, const cpu::CpuState& in);
  // vCPUs, clock, RAM.
  Result<void> save(snapshot::StateWriter& writer);
  Result<void> load(snapshot::StateReader& reader);

  u64 retired() const;
  // Counters, and what the vCPUs' engines count about themselves, summed. No vCPU runs.
  std::map<std::string, u64> statistics() const;

  // ExitSink [vcpu-thread]
  void io(bus::IoAccess& access) override;
  bool msr(cpu::MsrAccess& access) override;
  bool interrupt_pending(VcpuId vcpu) override;
  std::optional<u8> take_interrupt(VcpuId vcpu) override;
  u8 read_cr8(VcpuId vcpu) override;
  void write_cr8(VcpuId vcpu, u8 value) override;
  u64 tsc_ticks(VcpuId) override { return clock_->tsc(); }
  std::optional<u64> host_tsc_offset() override { return clock_->host_tsc_offset(); }
  // CpuSignals [any-thread]
  void signal_vcpu(VcpuId vcpu, cpu::Signal signal, u8 sipi_vector) override;

 private:
  struct Cpu {
    std::unique_ptr<cpu::Vcpu> vcpu;
    std::unique_ptr<irq::Lapic> lapic;
    std::atomic<u32> wake = 0;  // 1: look again instead of sleeping
    std::thread thread;
  };

  explicit Machine(std::unique_ptr<mem::GuestMemory> memory) : memory_(std::move(memory)) {}
  Result<void> add_cpus(const MachineConfig& config, cpu::Engine& engine);
  void run_cpu(u32 index);
  cpu::RunBudget budget_to_deadline();
  std::optional<RunOutcome> take_outcome();
  bool handle_stop(u32 index, const cpu::Stop& stop);  // false: the thread ends
  void wait_for_signal(Cpu& cpu);

  cpu::CpuModel model_;  // with this machine's TSC and number of vCPUs
  std::unique_ptr<mem::GuestMemory> memory_;
  bus::Bus pio_{bus::BusKind::Pio};
  bus::Bus mmio_{bus::BusKind::Mmio};
  Counters counters_;
  irq::ApicBus apic_bus_;
  std::unique_ptr<time::Clock> clock_;
  time::HostClock* host_clock_ = nullptr;  // one of the two is the clock
  time::CountedClock* counted_clock_ = nullptr;
  std::vector<std::unique_ptr<Cpu>> cpus_;

  std::atomic<bool> stopping_ = false;
  std::mutex outcome_mutex_;
  std::optional<RunOutcome> outcome_;
};

}  // namespace tandem::machine
