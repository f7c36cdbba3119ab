// Ticks of the 8254.
#pragma once

#include "core/time/clock.h"
#include "devices/platform/speaker_sink.h"

namespace tandem::devices::pit {

inline constexpr u64 kHz = kSpeakerHz;
inline u64 to_ticks(i64 ns) { return static_cast<u64>(static_cast<u128>(ns) * kHz / time::kSecond); }
inline i64 to_ns(u64 ticks) {
  return static_cast<i64>((static_cast<u128>(ticks) * time::kSecond + kHz - 1) / kHz);
}

// Ticks of mode 3's high half.
inline u64 high_half(u32 count) { return (u64{count} + 1) / 2; }

}  // namespace tandem::devices::pit
