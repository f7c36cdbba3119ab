#include "core/irq/acknowledgements.h"

namespace tandem::irq {

void Acknowledgements::add(AckListener& listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(&listener);
}

void Acknowledgements::remove(AckListener& listener) {
  const std::lock_guard lock(mutex_);
  std::erase(listeners_, &listener);
}

void Acknowledgements::tell_all() {
  const std::lock_guard lock(mutex_);
  for (AckListener* const listener : listeners_) listener->acknowledged();
}

}  // namespace tandem::irq
