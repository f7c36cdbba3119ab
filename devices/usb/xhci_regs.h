// Registers and memory structures of an eXtensible Host Controller (xHCI specification 1.2, chapters 5 and
// 6).
#pragma once

#include "core/base/types.h"

namespace tandem::devices::xhci {

inline constexpr u64 kBarSize = 16 * KiB;
// Where the register spaces are in the BAR.
inline constexpr u64 kOperational = 0x40, kPorts = 0x440, kPortsEnd = 0x800, kExtended = 0x800,
                     kRuntime = 0x1000, kInterrupter = 0x1020, kDoorbells = 0x2000;

// 5.3 Capabilities
inline constexpr u64 kCapLength = 0x00, kStructural1 = 0x04, kStructural2 = 0x08, kCapability1 = 0x10,
                     kDoorbellOffset = 0x14, kRuntimeOffset = 0x18;
// 5.4 Operational registers
inline constexpr u64 kCommand = 0x00, kStatus = 0x04, kPageSizes = 0x08, kNotification = 0x14,
                     kCommandRing = 0x18, kContexts = 0x30, kConfigure = 0x38;
inline constexpr u32 kRun = 1 << 0, kReset = 1 << 1, kInterruptsOn = 1 << 2, kCommandKept = 0xc0d;
inline constexpr u32 kHalted = 1 << 0, kHostError = 1 << 2, kEventInterrupt = 1 << 3, kPortChange = 1 << 4;
inline constexpr u64 kRingCycle = 1, kRingStop = 2, kRingAbort = 4, kRingRunning = 8, kRingAddress = ~u64{63};
// 5.4.8 PORTSC
inline constexpr u32 kPortConnected = 1 << 0, kPortEnabled = 1 << 1, kPortReset = 1 << 4, kPortPower = 1 << 9,
                     kPortLinkStrobe = 1 << 16, kPortConnectChange = 1 << 17, kPortEnableChange = 1 << 18,
                     kPortResetChange = 1 << 21, kPortLinkChange = 1 << 22, kPortChanges = 0x00fe0000,
                     kPortWakes = 0x0e000000;
inline constexpr unsigned kPortLinkShift = 5, kPortSpeedShift = 10;
enum Link : u8 { kU0 = 0, kU3 = 3, kRxDetect = 5, kPolling = 7, kResume = 15 };
// 5.5 Runtime registers: the frame index, and of the interrupter
inline constexpr u64 kFrameIndex = 0x00;
inline constexpr u64 kManagement = 0x00, kModeration = 0x04, kTableSize = 0x08, kTable = 0x10,
                     kDequeue = 0x18;
inline constexpr u32 kPending = 1, kEnabled = 2;
inline constexpr u64 kHandlerBusy = 8;

// 6.4 TRBs
inline constexpr u64 kTrbSize = 16;
inline constexpr u32 kTrbCycle = 1 << 0, kTrbToggle = 1 << 1, kTrbShort = 1 << 2, kTrbChain = 1 << 4,
                     kTrbInterrupt = 1 << 5, kTrbImmediate = 1 << 6;
inline constexpr u32 kTrbBlock = 1 << 9;        // Address Device: does not send SET_ADDRESS
inline constexpr u32 kTrbDeconfigure = 1 << 9;  // Configure Endpoint
enum TrbType : u8 {
  kNormal = 1,
  kSetup = 2,
  kData = 3,
  kStatusStage = 4,
  kIsochronous = 5,
  kLink = 6,
  kEventData = 7,
  kNoOp = 8,
  kEnableSlot = 9,
  kDisableSlot = 10,
  kAddressDevice = 11,
  kConfigureEndpoint = 12,
  kEvaluateContext = 13,
  kResetEndpoint = 14,
  kStopEndpoint = 15,
  kSetDequeue = 16,
  kResetDevice = 17,
  kNoOpCommand = 23,
  kTransferEvent = 32,
  kCommandEvent = 33,
  kPortEvent = 34,
};
// 6.4.5
enum Completion : u8 {
  kSuccess = 1,
  kTrbError = 5,
  kStallError = 6,
  kNoSlots = 9,
  kSlotNotEnabled = 11,
  kEndpointNotEnabled = 12,
  kShortPacket = 13,
  kParameterError = 17,
  kContextError = 19,
  kCommandRingStopped = 24,
  kStopped = 26,
};

// 6.2 Contexts, of 32 bytes: offsets
inline constexpr u64 kContextSize = 32;
enum SlotState : u8 { kSlotDisabled = 0, kSlotDefault = 1, kSlotAddressed = 2, kSlotConfigured = 3 };
enum EndpointState : u8 { kEpDisabled = 0, kEpRunning = 1, kEpHalted = 2, kEpStopped = 3, kEpError = 4 };
enum EndpointType : u8 { kInterruptOut = 3, kControl = 4, kInterruptIn = 7, kBulkOut = 2, kBulkIn = 6 };

}  // namespace tandem::devices::xhci
