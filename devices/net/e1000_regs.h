// Registers and descriptors of Intel's 82540EM gigabit Ethernet controller (PCI/PCI-X Family of Gigabit
// Ethernet Controllers Software Developer's Manual, chapters 3 and 13).
#pragma once

#include "core/base/types.h"

namespace tandem::devices::e1000 {

enum Register : u32 {
  kCtrl = 0x0000,
  kStatus = 0x0008,
  kEecd = 0x0010,
  kEerd = 0x0014,
  kCtrlExt = 0x0018,
  kMdic = 0x0020,
  kFcal = 0x0028,
  kFcah = 0x002c,
  kFct = 0x0030,
  kVet = 0x0038,
  kIcr = 0x00c0,
  kItr = 0x00c4,
  kIcs = 0x00c8,
  kIms = 0x00d0,
  kImc = 0x00d8,
  kRctl = 0x0100,
  kFcttv = 0x0170,
  kTxcw = 0x0178,
  kTctl = 0x0400,
  kTipg = 0x0410,
  kAit = 0x0458,
  kLedctl = 0x0e00,
  kPba = 0x1000,
  kFcrtl = 0x2160,
  kFcrth = 0x2168,
  kRdbal = 0x2800,
  kRdbah = 0x2804,
  kRdlen = 0x2808,
  kRdh = 0x2810,
  kRdt = 0x2818,
  kRdtr = 0x2820,
  kRxdctl = 0x2828,
  kRadv = 0x282c,
  kRsrpd = 0x2c00,
  kTdbal = 0x3800,
  kTdbah = 0x3804,
  kTdlen = 0x3808,
  kTdh = 0x3810,
  kTdt = 0x3818,
  kTidv = 0x3820,
  kTxdctl = 0x3828,
  kTadv = 0x382c,
  kTspmt = 0x3830,
  kStatistics = 0x4000,  // cleared by reading
  kStatisticsEnd = 0x4100,
  kRxcsum = 0x5000,
  kMta = 0x5200,
  kRal = 0x5400,
  kRah = 0x5404,
  kVfta = 0x5600,
  kWuc = 0x5800,
  kWufc = 0x5808,
  kWus = 0x5810,
  kManc = 0x5820,
  kRegistersEnd = 0x5a00,
};

// Statistics (13.7): frames received and sent, bytes (two dwords).
enum Statistic : u32 {
  kMpc = 0x4010,   // no room
  kGprc = 0x4074,  // good ones received
  kBprc = 0x4078,
  kMprc = 0x407c,
  kGptc = 0x4080,
  kGorc = 0x4088,
  kGotc = 0x4090,
  kRoc = 0x40ac,  // too long
  kTor = 0x40c0,
  kTot = 0x40c8,
  kTpr = 0x40d0,
  kTpt = 0x40d4,
};

inline constexpr u32 kCtrlFullDuplex = 1 << 0, kCtrlLinkUp = 1 << 6, kCtrlReset = 1 << 26,
                     kCtrlVlan = 1 << 30, kCtrlPhyReset = 1u << 31;
inline constexpr u32 kStatusFullDuplex = 1 << 0, kStatusLinkUp = 1 << 1, kStatusGigabit = 2 << 6;
// Causes of interrupts (13.4.17)
inline constexpr u32 kTxDone = 1 << 0, kTxEmpty = 1 << 1, kLinkChanged = 1 << 2, kRxFew = 1 << 4,
                     kRxOverrun = 1 << 6, kRxTimer = 1 << 7, kMdioDone = 1 << 9, kCauses = 0x1ffff;
inline constexpr u32 kRctlEnable = 1 << 1, kRctlAllUnicast = 1 << 3, kRctlAllMulticast = 1 << 4,
                     kRctlLong = 1 << 5, kRctlLoopback = 3 << 6, kRctlBroadcast = 1 << 15,
                     kRctlVlanFilter = 1 << 18, kRctlLargeBuffers = 1 << 25, kRctlStripCrc = 1 << 26;
inline constexpr u32 kTctlEnable = 1 << 1;
inline constexpr u32 kRxcsumIp = 1 << 8, kRxcsumTcp = 1 << 9;
inline constexpr u32 kRahValid = 1u << 31;

inline constexpr u64 kDescriptor = 16;
// 3.2.3: of a receive descriptor
inline constexpr unsigned kRxLength = 8, kRxStatus = 12, kRxErrors = 13, kRxSpecial = 14;
inline constexpr u8 kRxDone = 1 << 0, kRxEnd = 1 << 1, kRxIgnoreSums = 1 << 2, kRxVlan = 1 << 3,
                    kRxTcpSummed = 1 << 5, kRxIpSummed = 1 << 6;
// 3.3: of a transmit descriptor; the command bits are those of all kinds
inline constexpr unsigned kTxLength = 8, kTxSumOffset = 10, kTxCommand = 11, kTxStatus = 12, kTxSumStart = 13,
                          kTxSpecial = 14;
inline constexpr u8 kTxEnd = 1 << 0, kTxInsertSum = 1 << 2, kTxSegment = 1 << 2, kTxReport = 1 << 3,
                    kTxReportSent = 1 << 4, kTxExtended = 1 << 5, kTxVlan = 1 << 6;
inline constexpr u8 kTxDescriptorDone = 1;

}  // namespace tandem::devices::e1000
