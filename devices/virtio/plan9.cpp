#include "devices/virtio/plan9.h"

#include <signal.h>

namespace tandem::devices::virtio {

namespace {

constexpr u64 kMountTag = 1;
constexpr u64 kTagLength = 0, kTag = 2;
constexpr u16 kQueueSize = 128;

}  // namespace

Plan9::Plan9(const machine::DeviceContext& context, std::string name, p9::Server& server,
             std::string_view tag)
    : Model(context, {DeviceType::Plan9, std::move(name), 0x000200}, kMountTag, {kQueueSize}),
      server_(server) {
  set_config(kTagLength, static_cast<u16>(tag.size()));
  for (std::size_t i = 0; i < tag.size(); ++i) set_config(kTag + i, tag[i]);
  thread_ = std::thread([this] { work(); });
}

Plan9::~Plan9() {
  {
    const auto held = lock();
    stop_ = true;
    wanted_.notify_one();
  }
  thread_.join();
}

Result<void> Plan9::quiesce() {
  auto held = lock();
  rested_.wait(held, [this] { return !busy_ && !kicked_; });
  return {};
}

void Plan9::kicked(unsigned) {
  kicked_ = true;
  wanted_.notify_one();
}

void Plan9::work() {
  // Signals are for the threads that wait for them.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  auto held = lock();
  for (;;) {
    wanted_.wait(held, [this] { return kicked_ || stop_; });
    if (stop_) return;
    busy_ = true;
    kicked_ = false;
    while (!stop_ && take(0, chain_)) {
      hold();
      held.unlock();
      const u64 written = server_.serve(chain_.readable, chain_.writable);
      held.lock();
      complete(0, chain_, static_cast<u32>(written));
      release();
    }
    busy_ = false;
    rested_.notify_all();
  }
}

void Plan9::save_own(snapshot::StateWriter& writer) const { writer(server_.state()); }

std::function<void()> Plan9::load_own(snapshot::StateReader& reader) {
  p9::ServerState state;
  reader(state);
  return [this, state] { server_.set_state(state); };
}

}  // namespace tandem::devices::virtio
