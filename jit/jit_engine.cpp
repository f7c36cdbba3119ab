#include "jit/jit_engine.h"

#include "core/interp/interp_vcpu.h"

namespace tandem::jit {

namespace {

class JitEngine final : public cpu::Engine {
 public:
  JitEngine(JitOptions options, std::shared_ptr<CodeObserver> observer)
      : options_(std::move(options)), observer_(std::move(observer)) {}

  cpu::EngineCaps caps() const override { return {.name = "jit", .counts_instructions = true}; }
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    TANDEM_TRY(start_worker());
    TANDEM_TRY_ASSIGN(host_code, semantics::HostCode::create());
    TANDEM_TRY_ASSIGN(tier, JitTier::create(options_, observer_, worker_));
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<interp::InterpVcpu>(
        id, memory, model, std::move(host_code), std::unique_ptr<interp::UpperTier>(std::move(tier))));
  }

 private:
  Result<void> start_worker() {
    if (worker_ || !options_.llvm || !options_.hosted.on) return {};
    std::shared_ptr<RegionStore> store;
    // What gdb is told has this run's addresses.
    if (!options_.store.empty() && !(observer_ && observer_->wants_gdb())) {
      TANDEM_TRY_ASSIGN(opened, RegionStore::open(options_.store, this_build()));
      store = std::move(opened);
    }
    worker_ = std::make_shared<RegionWorker>(std::move(store), observer_);
    return {};
  }

  JitOptions options_;
  std::shared_ptr<CodeObserver> observer_;
  std::shared_ptr<RegionWorker> worker_;  // of all vCPUs
};

}  // namespace

std::unique_ptr<cpu::Engine> make_jit_engine(JitOptions options, std::shared_ptr<CodeObserver> observer) {
  return std::make_unique<JitEngine>(std::move(options), std::move(observer));
}

}  // namespace tandem::jit
