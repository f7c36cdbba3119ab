#include "core/machine/gate.h"

namespace tandem::machine {

void Gate::enter(const std::atomic<bool>& stays) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return released_ || (shut_ == 0 && !stays); });
  ++inside_;
}

void Gate::leave() {
  std::lock_guard lock(mutex_);
  --inside_;
  changed_.notify_all();
}

void Gate::shut(const std::function<void()>& kick) {
  std::unique_lock lock(mutex_);
  ++shut_;
  lock.unlock();
  kick();
  lock.lock();
  changed_.wait(lock, [&] { return inside_ == 0; });
}

void Gate::shut_from_inside() {
  std::lock_guard lock(mutex_);
  ++shut_;
}

void Gate::open(const std::function<void()>& opening) {
  std::lock_guard lock(mutex_);
  if (shut_ == 1) opening();
  --shut_;
  changed_.notify_all();
}

void Gate::release(bool all) {
  std::lock_guard lock(mutex_);
  released_ = all;
  changed_.notify_all();
}

}  // namespace tandem::machine
