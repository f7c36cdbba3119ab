#include "core/base/bits.h"
#include "core/irq/lapic.h"

namespace tandem::irq {

template <class Predicate>
EdgeEffect ApicBus::deliver_where(const ApicMessage& message, Predicate addressed) {
  if (message.delivery != Delivery::LowestPriority) {
    EdgeEffect effect = EdgeEffect::None;
    for (Lapic* l : lapics_)
      if (addressed(*l)) effect = effect | l->accept(message);
    return effect;
  }
  Lapic* best = nullptr;
  u32 best_priority = ~0u;
  for (Lapic* l : lapics_) {
    if (!addressed(*l)) continue;
    if (const u32 p = l->priority(); p < best_priority) {
      best = l;
      best_priority = p;
    }
  }
  return best ? best->accept(message) : EdgeEffect::None;
}

EdgeEffect ApicBus::deliver(const ApicMessage& message) {
  return deliver_where(message, [&](const Lapic& l) { return l.matches(message); });
}

void ApicBus::send(const MsiMessage& message) {
  if ((message.address & 0xfff00000) != 0xfee00000) return;
  deliver({.destination = static_cast<u32>(bits(message.address, 19, 12)),
           .logical = bit(message.address, 2),
           .delivery = static_cast<Delivery>(bits(message.data, 10, 8)),
           .vector = static_cast<u8>(message.data),
           .level = bit(message.data, 15)});
}

void ApicBus::deliver_ipi(Lapic& from, u64 icr, u32 destination) {
  ApicMessage m{.destination = destination,
                .logical = bit(icr, 11),
                .delivery = static_cast<Delivery>(bits(icr, 10, 8)),
                .vector = static_cast<u8>(icr),
                .level = bit(icr, 15)};
  // INIT level de-assert only sets arbitration ids (SDM 11.6.1); CPUs since the Pentium 4 ignore it.
  if (m.delivery == Delivery::Init && m.level && !bit(icr, 14)) return;
  m.level = false;
  const u64 shorthand = bits(icr, 19, 18);
  if (shorthand == 0) deliver(m);
  else if (shorthand == 1) from.accept(m);
  else deliver_where(m, [&](const Lapic& l) { return shorthand == 2 || &l != &from; });
}

void ApicBus::broadcast_eoi(u8 vector) {
  for (EoiListener* l : eoi_) l->end_of_interrupt(vector);
}

}  // namespace tandem::irq
