// One of the machines that run side by side: a guest on an engine, with nothing around it that is not the
// same in every run.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "devices/board/pc.h"
#include "tools/tandem/guest.h"

namespace tandem::lockstep {

// Called for each machine that is made.
using GuestMaker = std::function<Result<std::unique_ptr<tools::Guest>>()>;

struct SideSpec {
  std::string name;
  std::function<std::unique_ptr<cpu::Engine>()> engine = {};
  // For tests of lock step itself: called once, when so many instructions have been executed.
  u64 meddle_at = ~u64{0};
  std::function<void(devices::Pc&)> meddle = {};
};

// What the guest writes to serial ports and debug console, all in one. [any-thread]
class Transcript {
 public:
  void append(std::span<const u8> bytes);
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

class Side {
 public:
  static Result<std::unique_ptr<Side>> create(const SideSpec& spec, const GuestMaker& maker);

  const std::string& name() const { return spec_.name; }
  devices::Pc& pc() { return *pc_; }
  const cpu::CpuModel& model() const { return guest_->model; }
  // Instructions since power-on.
  u64 position() { return loaded_at_ + pc_->machine().retired(); }
  const std::optional<machine::RunOutcome>& ended() const { return ended_; }
  std::string output() const { return transcript_->text(); }

  // Runs until position() is `to`, or the guest's end.
  Result<void> advance(u64 to);
  Result<void> state(cpu::CpuState& out) { return pc_->machine().export_cpu(0, out); }
  // A snapshot of a machine at this position. To be called before anything was run.
  Result<void> load(std::vector<u8> snapshot, u64 position);

 private:
  explicit Side(SideSpec spec) : spec_(std::move(spec)) {}
  Result<void> run_to(u64 to);

  SideSpec spec_;
  std::unique_ptr<cpu::Engine> engine_;
  std::unique_ptr<tools::Guest> guest_;
  std::shared_ptr<Transcript> transcript_ = std::make_shared<Transcript>();
  std::unique_ptr<devices::Pc> pc_;
  u64 loaded_at_ = 0;
  std::optional<machine::RunOutcome> ended_;
};

}  // namespace tandem::lockstep
