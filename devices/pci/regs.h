// PCI configuration space (PCI Local Bus Specification 3.0, chapter 6).
#pragma once

#include "core/base/types.h"

namespace tandem::devices::pci {

inline constexpr unsigned kVendorId = 0x00, kDeviceId = 0x02, kCommand = 0x04, kStatus = 0x06,
                          kRevision = 0x08, kClass = 0x09, kHeaderType = 0x0e, kBar0 = 0x10,
                          kSubsystemVendor = 0x2c, kSubsystem = 0x2e, kRom = 0x30, kCapabilities = 0x34,
                          kInterruptLine = 0x3c, kInterruptPin = 0x3d;
inline constexpr u16 kCommandIo = 1, kCommandMemory = 2, kCommandMaster = 4, kCommandIntxOff = 0x400;
inline constexpr u16 kStatusInterrupt = 0x08, kStatusCapabilities = 0x10;
inline constexpr u8 kCapabilityPower = 0x01, kCapabilityMsi = 0x05, kCapabilityVendor = 0x09,
                    kCapabilityMsix = 0x11;
// 6.8.1: from the capability's start.
inline constexpr unsigned kMsiControl = 2, kMsiAddress = 4, kMsiData = 12, kMsiSize = 14;
inline constexpr u16 kMsiEnable = 0x01, kMsi64 = 0x80;
// PCI Bus Power Management Interface Specification 1.2, 3.2
inline constexpr unsigned kPowerCapabilities = 2, kPowerControl = 4, kPowerSize = 8;
inline constexpr u16 kPowerVersion = 3, kPowerState = 3, kPowerNoSoftReset = 8;
inline constexpr u16 kPowerD0 = 0, kPowerD3 = 3;
inline constexpr u16 kMsixEnable = 0x8000, kMsixMask = 0x4000;
inline constexpr u32 kRomEnable = 1, kRomAddress = ~u32{0x7ff};
inline constexpr u32 kBarIo = 1, kBar64 = 4, kBarPrefetchable = 8;

}  // namespace tandem::devices::pci
