// Everything but the bytes and their address that a translation depends on.
#pragma once

#include <array>

#include "core/interp/context.h"

namespace tandem::jit {

// How accesses by a segment are made. In 64-bit code no segment is looked at.
enum class SegmentUse : u8 {
  Limited,    // offsets are compared with TierFrame::read_end or write_end
  Short,      // 16-bit offsets need that only where they wrap
  Unlimited,  // everything that 32 bits name passes
  Flat,       // the same, with base 0
};

using TranslationMode = u64;

// Of the mode's bits: all accesses may be hosted; the budget will be spent; CS has a base or limit, or code
// is of 16 bits, so that a translation holds for its CS and its offset there.
inline constexpr TranslationMode kHostedMode = 1u << 26, kLimitedMode = 1u << 27, kSegmentedMode = 1u << 28;
inline constexpr unsigned kSegmentUseShift = 32;  // two bits for each segment

constexpr u8 cpl_of(TranslationMode mode) { return mode >> 8 & 3; }
constexpr SegmentUse segment_use(TranslationMode mode, unsigned segment) {
  return static_cast<SegmentUse>(mode >> (kSegmentUseShift + 2 * segment) & 3);
}
// May its code be at any linear address, as long as the bytes are the same?
constexpr bool moves(TranslationMode mode) { return cpl_of(mode) == 3 && !(mode & kSegmentedMode); }

// Is the guest's TSC, in this mode, the host's and a constant?
bool reads_host_tsc(const interp::Context& context);

// What follows from the segments outside of 64-bit code, worked out when what it follows from has changed.
class SegmentUses {
 public:
  // Brings the TierFrame's read_end and write_end up to date with the state's segments, and what is below.
  // Not for 64-bit code.
  void follow(interp::Context& context);
  // Their bits of a TranslationMode.
  TranslationMode bits() const { return bits_; }
  u64 changes() const { return changes_; }

 private:
  // Limits and types, and bases where it matters whether they are 0.
  struct Origin {
    std::array<u64, cpu::kSegmentCount> segments = {};
    u8 code_size = 0;
    bool protected_mode = false;
    bool operator==(const Origin&) const = default;
  };
  static Origin origin_of(const interp::Context& context);

  Origin origin_;
  TranslationMode bits_ = 0;
  u64 changes_ = 0;
};

// hosted: the present address space is, as far as code of this kind can be. segments: up to date, where they
// are looked at.
TranslationMode translation_mode(interp::Context& context, bool hosted, const SegmentUses& segments);

}  // namespace tandem::jit
