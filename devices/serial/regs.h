// Registers of a 16550A (National Semiconductor PC16550D data sheet, section 8).
#pragma once

#include "core/base/types.h"

namespace tandem::devices::uart {

inline constexpr u64 kData = 0, kIer = 1, kIirFcr = 2, kLcr = 3, kMcr = 4, kLsr = 5, kMsr = 6, kScratch = 7;
// 8.7 Interrupt enable
inline constexpr u8 kIerReceive = 0x01, kIerTransmit = 0x02, kIerLine = 0x04, kIerModem = 0x08;
// 8.6 Interrupt identification, in the order of priority
inline constexpr u8 kIirNone = 0x01, kIirLine = 0x06, kIirReceive = 0x04, kIirTimeout = 0x0c,
                    kIirTransmit = 0x02, kIirModem = 0x00, kIirFifos = 0xc0;
// 8.5 FIFO control
inline constexpr u8 kFcrEnable = 0x01, kFcrClearReceive = 0x02, kFcrClearTransmit = 0x04;
inline constexpr u8 kLcrDlab = 0x80, kLcrBreak = 0x40;
// 8.8 Modem control
inline constexpr u8 kMcrDtr = 0x01, kMcrRts = 0x02, kMcrOut1 = 0x04, kMcrOut2 = 0x08, kMcrLoop = 0x10;
// 8.4 Line status
inline constexpr u8 kLsrReady = 0x01, kLsrOverrun = 0x02, kLsrBreak = 0x10, kLsrHoldingEmpty = 0x20,
                    kLsrTransmitterEmpty = 0x40;
// 8.9 Modem status
inline constexpr u8 kMsrDeltas = 0x0f, kMsrRiTrailing = 0x04, kMsrCts = 0x10, kMsrDsr = 0x20, kMsrRi = 0x40,
                    kMsrDcd = 0x80;

}  // namespace tandem::devices::uart
