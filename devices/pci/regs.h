// PCI configuration space (PCI Local Bus Specification 3.0, chapter 6).
#pragma once

#include "core/base/types.h"

namespace tandem::devices::pci {

inline constexpr unsigned kVendorId = 0x00, kDeviceId = 0x02, kCommand = 0x04, kStatus = 0x06,
                          kRevision = 0x08, kClass = 0x09, kHeaderType = 0x0e, kBar0 = 0x10,
                          kSubsystemVendor = 0x2c, kSubsystem = 0x2e, kRom = 0x30, kCapabilities = 0x34,
                          kInterruptLine = 0x3c, kInterruptPin = 0x3d;
inline constexpr u16 kCommandIo = 1, kCommandMemory = 2, kCommandMaster = 4, kCommandIntxOff = 0x400;
inline constexpr u16 kStatusCapabilities = 0x10;
inline constexpr u8 kCapabilityVendor = 0x09, kCapabilityMsix = 0x11;
inline constexpr u16 kMsixEnable = 0x8000, kMsixMask = 0x4000;
inline constexpr u32 kRomEnable = 1, kRomAddress = ~u32{0x7ff};
inline constexpr u32 kBarIo = 1, kBar64 = 4, kBarPrefetchable = 8;

}  // namespace tandem::devices::pci
