#include "core/irq/line.h"

namespace tandem::irq {

void IrqWire::drive(bool assert_it) {
  std::lock_guard lock(mutex_);
  asserted_ += assert_it ? 1u : ~0u;
  const bool changed = assert_it ? asserted_ == 1 : asserted_ == 0;
  if (!changed) return;
  for (const Target& t : targets_) t.input->set_irq(t.pin, assert_it);
}

void IrqWire::pulse() {
  std::lock_guard lock(mutex_);
  if (asserted_) return;
  for (const Target& t : targets_) {
    t.input->set_irq(t.pin, true);
    t.input->set_irq(t.pin, false);
  }
}

}  // namespace tandem::irq
