// Registers and memory structures of a Serial ATA AHCI host bus adapter (AHCI 1.3.1).
#pragma once

#include "core/base/types.h"

namespace tandem::devices::ahci {

// 3.1 Generic host control
inline constexpr u64 kCap = 0x00, kGhc = 0x04, kIs = 0x08, kPi = 0x0c, kVs = 0x10;
inline constexpr u32 kCapSlots = 31 << 8, kCapOverride = 1 << 24, kCapGen2 = 2 << 20, kCapAhciOnly = 1 << 18,
                     kCapQueuing = 1 << 30, kCap64 = 1u << 31;
inline constexpr u32 kGhcReset = 1, kGhcInterrupts = 2, kGhcAhci = 1u << 31;
inline constexpr u32 kVersion = 0x00010301;
// 3.3 Port registers, from the port's start
inline constexpr u64 kPorts = 0x100, kPortSize = 0x80;
inline constexpr u64 kPortList = 0x00, kPortListHigh = 0x04, kPortFis = 0x08, kPortFisHigh = 0x0c,
                     kPortIs = 0x10, kPortIe = 0x14, kPortCmd = 0x18, kPortTfd = 0x20, kPortSig = 0x24,
                     kPortSsts = 0x28, kPortSctl = 0x2c, kPortSerr = 0x30, kPortSact = 0x34, kPortCi = 0x38;
// 3.3.5 PxIS
inline constexpr u32 kIsRegisterFis = 1 << 0, kIsPioSetup = 1 << 1, kIsSetBits = 1 << 3,
                     kIsDescriptor = 1 << 5, kIsConnect = 1 << 6, kIsPhyReady = 1 << 22,
                     kIsOverflow = 1 << 24, kIsInterfaceFatal = 1 << 27, kIsBusFatal = 1 << 29,
                     kIsTaskFile = 1 << 30;
// 3.3.7 PxCMD
inline constexpr u32 kCmdStart = 1 << 0, kCmdSpinUp = 1 << 1, kCmdPowerOn = 1 << 2, kCmdOverride = 1 << 3,
                     kCmdFisReceive = 1 << 4, kCmdFisRunning = 1 << 14, kCmdRunning = 1 << 15,
                     kCmdAtapi = 1 << 24, kCmdAtapiLed = 1 << 25;
inline constexpr unsigned kCmdSlotShift = 8;
// 3.3.10 PxSSTS: a device and its link at generation 2, no device, taken offline
inline constexpr u32 kSstsReady = 0x123, kSstsNothing = 0, kSstsOffline = 4;
inline constexpr u32 kSctlDet = 15, kSctlReset = 1, kSctlOffline = 4;
// 3.3.12 PxSERR
inline constexpr u32 kSerrPhyReady = 1 << 16, kSerrExchanged = 1 << 26;

// 4.2.1 Received FIS
inline constexpr u64 kRxPioSetup = 0x20, kRxRegister = 0x40, kRxSetBits = 0x58;
// 4.2.2 Command list, 4.2.3 command table
inline constexpr u64 kHeaderSize = 32, kHeaderBytes = 4, kHeaderTable = 8;
inline constexpr u64 kTableAtapi = 0x40, kTableRegions = 0x80, kRegionSize = 16;

}  // namespace tandem::devices::ahci
