// Numbers of the Virtual I/O Device specification (VIRTIO 1.2); each with its section.
#pragma once

#include "core/base/types.h"

namespace tandem::devices::virtio {

// 5: device types.
enum class DeviceType : u16 {
  Net = 1,
  Block = 2,
  Console = 3,
  Entropy = 4,
  Balloon = 5,
  Plan9 = 9,
  Gpu = 16,
  Input = 18,
  Vsock = 19,
};

// 2.1 "Device Status Field".
inline constexpr u8 kAcknowledge = 0x01, kDriver = 0x02, kDriverOk = 0x04, kFeaturesOk = 0x08,
                    kNeedsReset = 0x40, kFailed = 0x80;

// 6 "Reserved Feature Bits", as masks.
inline constexpr u64 kNotifyOnEmpty = u64{1} << 24, kAnyLayout = u64{1} << 27, kIndirect = u64{1} << 28,
                     kEventIndex = u64{1} << 29, kVersion1 = u64{1} << 32, kPacked = u64{1} << 34;

// 2.7.5, 2.8.1: flags of descriptors. Available and used: packed rings only.
inline constexpr u16 kNext = 1, kWrite = 2, kIndirectTable = 4, kAvailable = 0x80, kUsed = 0x8000;
// 2.7.6, 2.7.8: flags of the rings.
inline constexpr u16 kNoInterrupt = 1, kNoNotify = 1;
// 2.8.14: event suppression of packed rings.
inline constexpr u16 kEventsOn = 0, kEventsOff = 1, kEventsAt = 2;

inline constexpr u16 kMaxQueueSize = 1024;

// 4.1.4.5: bits of the interrupt status.
inline constexpr u8 kIsrQueue = 1, kIsrConfig = 2;

inline constexpr u16 kNoVector = 0xffff;

}  // namespace tandem::devices::virtio
