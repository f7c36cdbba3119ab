#include "devices/platform/tick_irq.h"

#include <algorithm>

namespace tandem::devices {

namespace {

// A guest that took no tick for as long has no use for them.
constexpr i64 kMostOwed = time::kSecond;
// A guest that got faster ones without a pause would do nothing else.
constexpr i64 kShortestPeriod = 100 * time::kMicrosecond;

}  // namespace

TickIrq::TickIrq(const machine::DeviceContext& context, std::mutex& device)
    : acknowledgements_(context.acknowledgements), device_(device) {
  acknowledgements_.add(*this);
}

TickIrq::~TickIrq() {
  acknowledgements_.remove(*this);
  forget();
}

void TickIrq::owe(u64 ticks) {
  if (ticks && !owed_) acknowledgements_.want();
  if (!ticks && owed_) acknowledgements_.want_no_more();
  owed_ = ticks;
}

void TickIrq::tick(irq::EdgeIrq irq, u64 count, i64 period) {
  irq_ = irq;
  const u64 most = period < kShortestPeriod ? 0 : static_cast<u64>(kMostOwed / period);
  // Owed before there is something that a vCPU could take meanwhile.
  owe(std::min(owed_ + count, most));
  const irq::EdgeEffect effect = irq_->pulse();
  if (effect == irq::EdgeEffect::None) forget();
  if (effect == irq::EdgeEffect::Requested && owed_) owe(owed_ - 1);
}

void TickIrq::acknowledged() {
  const std::lock_guard lock(device_);
  if (!owed_) return;
  const irq::EdgeEffect effect = irq_->pulse();
  if (effect == irq::EdgeEffect::None) forget();
  if (effect == irq::EdgeEffect::Requested) owe(owed_ - 1);
}

}  // namespace tandem::devices
