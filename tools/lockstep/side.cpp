#include "tools/lockstep/side.h"

namespace tandem::lockstep {

namespace {

constexpr i64 kDate = 1'700'000'000;  // of every power-on

class Recorder final : public devices::CharBackend {
 public:
  explicit Recorder(std::shared_ptr<Transcript> transcript) : transcript_(std::move(transcript)) {}
  void attach(devices::CharReceiver*) override {}
  bool can_write() override { return true; }
  void write(std::span<const u8> bytes) override { transcript_->append(bytes); }
  void input_wanted() override {}
  void flush() override {}

 private:
  std::shared_ptr<Transcript> transcript_;
};

}  // namespace

void Transcript::append(std::span<const u8> bytes) {
  std::lock_guard lock(mutex_);
  text_.append(bytes.begin(), bytes.end());
}

std::string Transcript::text() const {
  std::lock_guard lock(mutex_);
  return text_;
}

Result<std::unique_ptr<Side>> Side::create(const SideSpec& spec, const GuestMaker& maker) {
  std::unique_ptr<Side> side(new Side(spec));
  side->engine_ = spec.engine();
  TANDEM_TRY_ASSIGN(guest, maker());
  side->guest_ = std::move(guest);
  cpu::CpuModel& model = side->guest_->model;
  devices::PcConfig& config = side->guest_->config;
  model.repeatable_random = true;
  config.model = &model;
  config.clock = machine::ClockKind::Counted;
  config.date = [] { return kDate; };
  config.virtio.entropy = {};  // nothing that differs from run to run
  config.virtio.nets.clear();
  for (auto& serial : config.serials) serial = std::make_unique<Recorder>(side->transcript_);
  config.debugcon = std::make_unique<Recorder>(side->transcript_);
  TANDEM_TRY_ASSIGN(pc, devices::Pc::create(std::move(config), *side->engine_));
  side->pc_ = std::move(pc);
  TANDEM_TRY(side->run_to(0));  // boots
  return side;
}

Result<void> Side::load(std::vector<u8> snapshot, u64 position) {
  TANDEM_TRY(pc_->load(std::move(snapshot)));
  loaded_at_ = position;
  return {};
}

Result<void> Side::advance(u64 to) {
  if (position() < spec_.meddle_at && spec_.meddle_at <= to) {
    TANDEM_TRY(run_to(spec_.meddle_at));
    if (!ended_) spec_.meddle(*pc_);
  }
  return run_to(to);
}

Result<void> Side::run_to(u64 to) {
  if (ended_ || to < position()) return {};
  TANDEM_TRY_ASSIGN(outcome, pc_->run_for(to - position()));
  ended_ = std::move(outcome);
  return {};
}

}  // namespace tandem::lockstep
