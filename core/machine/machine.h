// Machine: vCPUs of an engine, their local APICs, memory, buses and clock. Knows no device by its kind.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/result.h"
#include "core/bus/bus.h"
#include "core/cpu/cpuid_models.h"
#include "core/cpu/engine.h"
#include "core/cpu/held_signals.h"
#include "core/irq/lapic.h"
#include "core/machine/device.h"
#include "core/machine/gate.h"
#include "core/mem/guest_memory.h"
#include "core/time/clock.h"
#include "core/trace/trace.h"

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

// A debugger's ear.
class DebugListener {
 public:
  // A vCPU has stopped as it was asked to, and the machine is held until end_debug_stop(). [vcpu-thread]
  // Returns soon.
  virtual void stopped(u32 vcpu, const cpu::DebugHit& hit) = 0;

 protected:
  ~DebugListener() = default;
};

// What a vCPU does when nobody holds the machine.
enum class Motion : u8 { Run, Step, Stay };

class Machine final : public cpu::ExitSink, public irq::CpuSignals {
 public:
  static Result<std::unique_ptr<Machine>> create(const MachineConfig& config, cpu::Engine& engine);
  ~Machine() override;

  mem::GuestMemory& memory() { return *memory_; }
  bus::Bus& pio() { return pio_; }
  bus::Bus& mmio() { return mmio_; }
  time::Clock& clock() { return *clock_; }
  Counters& counters() { return counters_; }
  trace::Trace& tracer() { return trace_; }
  irq::ApicBus& apic_bus() { return apic_bus_; }
  irq::Lapic& lapic(u32 index) { return *cpus_[index]->lapic; }
  cpu::Vcpu& vcpu(u32 index) { return *cpus_[index]->vcpu; }  // until switch_engine()
  u32 vcpu_count() const { return static_cast<u32>(cpus_.size()); }
  const cpu::CpuModel& model() const { return model_; }
  DeviceContext context() { return {pio_, mmio_, *memory_, *clock_, counters_, acknowledgements_}; }

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

  // While one lives, all vCPUs stand between two instructions and guest time stands still, or, where that is
  // asked for, goes on for the short while. It can be had before, during and between calls of run(). Not from
  // a vCPU's thread or a timer's callback, which it waits for.
  class Hold {
   public:
    enum class Time : u8 { Stops, GoesOn };
    explicit Hold(Machine& machine, Time time = Time::Stops) : machine_(&machine) { machine.hold(time); }
    Hold(Hold&& o) noexcept : machine_(std::exchange(o.machine_, nullptr)) {}
    ~Hold() {
      if (machine_) machine_->let_go();
    }

   private:
    Machine* machine_;
  };
  // Runs f() while all stand still and the state is the caller's alone. [any-thread] as Hold.
  template <class F>
  auto while_held(F f, Hold::Time time = Hold::Time::Stops) {
    const Hold hold(*this, time);
    const std::lock_guard lock(state_mutex_);
    return f();
  }
  // For who changes the state between calls of run().
  std::mutex& state_mutex() { return state_mutex_; }
  // Goes on with vCPUs of another engine, if it is one, from the instruction boundary where each one is.
  // `engine` outlives the machine. On failure all goes on as before. [any-thread] as Hold.
  Result<void> switch_engine(cpu::Engine& engine);
  // Debugging; all inside while_held(). A listener gets what stops at these points or steps.
  void set_debugger(DebugListener* listener) { debugger_ = listener; }
  Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points);
  void set_motion(u32 index, Motion motion);
  // Takes back the hold that came with a DebugListener::stopped(). [any-thread]
  void end_debug_stop() { let_go(); }
  std::string_view engine_name() const { return engine_name_; }  // with state_mutex()

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
  bus::Bus* doorbell_bus(bus::BusKind kind) override;
  // CpuSignals [any-thread]
  void signal_vcpu(VcpuId vcpu, cpu::Signal signal, u8 sipi_vector) override;

 private:
  struct Cpu {
    std::mutex vcpu_mutex;  // guards these where other threads signal the vCPU while it may be exchanged
    std::unique_ptr<cpu::Vcpu> vcpu;
    bool leaving = false;  // its state has gone, or is going, to another: signals are kept for that one
    cpu::HeldSignals late;
    u64 retired_before = 0;  // by vCPUs of earlier engines
    std::unique_ptr<irq::Lapic> lapic;
    std::atomic<u32> wake = 0;        // 1: look again instead of sleeping
    std::atomic<bool> stays = false;  // at the gate
    std::atomic<bool> steps = false;  // one instruction, for the debugger
    std::thread thread;

    u64 retired() const { return retired_before + vcpu->retired(); }
    void kick();
    void wake_up();
    void signal(cpu::Signal signal, u8 sipi_vector);
    void leave();
    // Goes on with `next`; null: with the present one after all.
    void go_on(std::unique_ptr<cpu::Vcpu> next);
  };

  explicit Machine(std::unique_ptr<mem::GuestMemory> memory) : memory_(std::move(memory)) {}
  Result<void> add_cpus(const MachineConfig& config, cpu::Engine& engine);
  void run_cpu(u32 index);
  void dispatch(bus::IoAccess& access);
  cpu::RunBudget budget_to_deadline();
  std::optional<RunOutcome> take_outcome();
  bool handle_stop(u32 index, const cpu::Stop& stop);  // false: the thread ends
  void wait_for_signal(Cpu& cpu);
  void hold(Hold::Time time);
  void let_go();
  void resume_clock();
  // Writes a trace record, if somebody asked for this point.
  template <class... Values>
  void note(trace::Point point, Values... values) {
    if (trace_.on(point)) [[unlikely]]
      trace_.write(point, clock_->now(), {static_cast<u64>(values)...});
  }
  void tell_debugger(u32 index, const cpu::DebugHit& hit);
  Result<std::vector<std::unique_ptr<cpu::Vcpu>>> copy_vcpus(cpu::Engine& engine,
                                                             std::vector<cpu::CpuState>& states);
  void replace_vcpu(Cpu& cpu, std::unique_ptr<cpu::Vcpu> next);

  cpu::CpuModel model_;  // with this machine's TSC and number of vCPUs
  std::unique_ptr<mem::GuestMemory> memory_;
  bus::Bus pio_{bus::BusKind::Pio};
  bus::Bus mmio_{bus::BusKind::Mmio};
  Counters counters_;
  trace::Trace trace_;
  irq::ApicBus apic_bus_;
  irq::Acknowledgements acknowledgements_;
  std::unique_ptr<time::Clock> clock_;
  time::HostClock* host_clock_ = nullptr;  // one of the two is the clock
  time::CountedClock* counted_clock_ = nullptr;
  std::vector<std::unique_ptr<Cpu>> cpus_;
  std::string_view engine_name_;
  std::map<std::string, u64> past_statistics_;  // of vCPUs of earlier engines

  DebugListener* debugger_ = nullptr;  // these two are changed while nobody runs
  std::shared_ptr<const cpu::DebugPoints> debug_points_;
  Gate gate_;
  std::mutex state_mutex_;
  std::atomic<bool> running_ = false;  // inside run()
  std::atomic<bool> stopping_ = false;
  std::mutex outcome_mutex_;
  std::optional<RunOutcome> outcome_;
};

}  // namespace tandem::machine
