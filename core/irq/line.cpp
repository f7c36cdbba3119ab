#include "core/irq/line.h"

namespace tandem::irq {

void IrqWire::drive(bool assert_it) {
  std::lock_guard lock(mutex_);
  asserted_ += assert_it ? 1u : ~0u;
  const bool changed = assert_it ? asserted_ == 1 : asserted_ == 0;
  if (!changed) return;
  for (const Target& t : targets_) t.input->set_irq(t.pin, assert_it);
}

EdgeEffect IrqWire::pulse() {
  std::lock_guard lock(mutex_);
  EdgeEffect effect = EdgeEffect::None;
  if (asserted_) return effect;
  for (const Target& t : targets_) {
    effect = effect | t.input->set_irq(t.pin, true);
    t.input->set_irq(t.pin, false);
  }
  return effect;
}

}  // namespace tandem::irq
