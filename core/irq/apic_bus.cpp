#include "core/base/bits.h"
#include "core/irq/lapic.h"

namespace tandem::irq {

void ApicBus::deliver(const ApicMessage& message) {
  if (message.delivery == Delivery::LowestPriority) {
    Lapic* best = nullptr;
    u32 best_priority = ~0u;
    for (Lapic* l : lapics_) {
      if (!l->matches(message)) continue;
      if (const u32 p = l->priority(); p < best_priority) {
        best = l;
        best_priority = p;
      }
    }
    if (best) best->accept(message);
    return;
  }
  for (Lapic* l : lapics_)
    if (l->matches(message)) l->accept(message);
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
  if (shorthand == 0) return deliver(m);
  if (shorthand == 1) return from.accept(m);
  for (Lapic* l : lapics_)
    if (shorthand == 2 || l != &from) l->accept(m);
}

void ApicBus::broadcast_eoi(u8 vector) {
  for (EoiListener* l : eoi_) l->end_of_interrupt(vector);
}

}  // namespace tandem::irq
