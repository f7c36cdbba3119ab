#include "devices/net/e1000_phy.h"

#include "core/base/bits.h"

namespace tandem::devices::e1000 {

namespace {

enum PhyRegister : unsigned {
  kControl = 0,
  kStatus = 1,
  kId1 = 2,
  kId2 = 3,
  kAdvertised = 4,
  kPartner = 5,
  kExpansion = 6,
  kGigabitControl = 9,
  kGigabitStatus = 10,
  kExtendedStatus = 15,
  kSpecificControl = 16,
  kSpecificStatus = 17,
  kInterruptEnable = 18,
  kExtendedControl = 20,
};
// Reset and a new negotiation are done at once, so that their bits read as 0.
constexpr u16 kControlReset = 0x8000, kControlPowerDown = 0x0800, kControlKept = 0x7d40;
constexpr u16 kStatusLink = 0x0004, kSpecificLink = 0x0400;
// MDIC
constexpr u32 kOpWrite = 1, kOpRead = 2, kReady = 1 << 28, kError = 1 << 30, kAddress = 1;

// Registers that software writes; the others say what was negotiated.
constexpr u32 kWritable = 1 << kAdvertised | 1 << kGigabitControl | 1 << kSpecificControl |
                          1 << kInterruptEnable | 1 << kExtendedControl | 1 << 21 | 1 << 24 | 1 << 25 |
                          1 << 29 | 1 << 30;

}  // namespace

void Phy::reset() {
  registers_ = {};
  registers_[kControl] = 0x1140;  // negotiates, full duplex, gigabit
  registers_[kStatus] = 0x796d;   // can do all, has negotiated, link
  registers_[kId1] = 0x0141;
  registers_[kId2] = 0x0c20;
  registers_[kAdvertised] = 0x0de1;
  registers_[kPartner] = 0x45e1;
  registers_[kExpansion] = 0x0001;
  registers_[kGigabitControl] = 0x0e00;
  registers_[kGigabitStatus] = 0x7c00;  // both receivers are well, the partner does gigabit
  registers_[kExtendedStatus] = 0x3000;
  registers_[kSpecificControl] = 0x0360;
  registers_[kSpecificStatus] = 0xac00;  // gigabit, full duplex, resolved, link
  registers_[kExtendedControl] = 0x0d60;
}

bool Phy::link_up() const { return !(registers_[kControl] & kControlPowerDown); }

void Phy::write(unsigned index, u16 value) {
  if (index == kControl) {
    if (value & kControlReset) return reset();
    registers_[kControl] = value & kControlKept;
    const bool up = link_up();
    registers_[kStatus] = static_cast<u16>(set_bit(registers_[kStatus], 2, up));
    registers_[kSpecificStatus] = static_cast<u16>(set_bit(registers_[kSpecificStatus], 10, up));
    static_assert(kStatusLink == 1 << 2 && kSpecificLink == 1 << 10);
  } else if (kWritable >> index & 1) {
    registers_[index] = value;
  }
}

u32 Phy::manage(u32 command) {
  const unsigned index = static_cast<unsigned>(bits(command, 20, 16));
  const u32 operation = static_cast<u32>(bits(command, 27, 26));
  const u32 result = command & ~(kError | 0xffff);
  if (bits(command, 25, 21) != kAddress || (operation != kOpRead && operation != kOpWrite))
    return result | kReady | kError | (command & 0xffff);
  if (operation == kOpRead) return result | kReady | registers_[index];
  write(index, static_cast<u16>(command));
  return result | kReady | (command & 0xffff);
}

}  // namespace tandem::devices::e1000
