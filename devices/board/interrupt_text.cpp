// Redirection entries: 82093AA data sheet, 3.2.4.
#include "devices/board/interrupt_text.h"

#include <fmt/format.h>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

std::string pin_text(unsigned pin, u64 entry, bool asserted) {
  static constexpr std::string_view kModes[] = {"fixed", "lowest", "smi", "?", "nmi", "init", "?", "extint"};
  return fmt::format("ioapic pin {:2}: vector {:02x} {} {} {} to {}{:x}{}{}{}\n", pin, entry & 0xff,
                     kModes[bits(entry, 10, 8)], bit(entry, 15) ? "level" : "edge",
                     bit(entry, 13) ? "low" : "high", bit(entry, 11) ? "group " : "", entry >> 56,
                     bit(entry, 16) ? ", masked" : "", bit(entry, 14) ? ", waits for EOI" : "",
                     asserted ? ", asserted" : "");
}

}  // namespace

std::string interrupt_text(const PicState& pic, const IoapicState& ioapic) {
  constexpr u64 kMasked = 1 << 16;
  std::string out;
  for (unsigned i = 0; i < 2; ++i) {
    const PicChipState& c = pic.chips[i];
    out += fmt::format(
        "pic {}: vectors from {:02x} requested {:02x} in service {:02x} masked {:02x} lines {:02x} level "
        "{:02x}\n",
        i ? "slave " : "master", c.vector_base, c.irr, c.isr, c.imr, c.lines, c.elcr);
  }
  for (unsigned pin = 0; pin < IoapicState::kPins; ++pin) {
    const u64 entry = ioapic.redirection[pin];
    const bool asserted = bit(ioapic.lines, pin);
    if (!(entry & kMasked) || asserted) out += pin_text(pin, entry, asserted);
  }
  return out;
}

}  // namespace tandem::devices
