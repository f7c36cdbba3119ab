// A packet of a socket device (VIRTIO 1.2, 5.10.6): a header of 44 bytes, then data.
#pragma once

#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices::vsock {

enum class Op : u16 { Invalid, Request, Response, Reset, Shutdown, Data, CreditUpdate, CreditRequest };
inline constexpr u16 kStream = 1;
// Flags of Op::Shutdown: what its sender will no longer do.
inline constexpr u32 kNoReceive = 1, kNoSend = 2;

inline constexpr u64 kHostCid = 2, kFirstGuestCid = 3;
inline constexpr u64 kHeaderSize = 44;
inline constexpr u64 kMaxData = 64 * KiB;

struct Header {
  u64 from_cid = 0, to_cid = 0;
  u32 from_port = 0, to_port = 0;
  u32 length = 0;
  u16 type = kStream;
  Op op = Op::Invalid;
  u32 flags = 0;
  u32 room = 0, taken = 0;  // of the sender's buffer, in all; bytes that left it since the start
};

// `bytes`: kHeaderSize at least.
Header parse(std::span<const u8> bytes);
void store(const Header& header, std::span<u8> bytes);
std::vector<u8> encode(const Header& header, std::span<const u8> data = {});

}  // namespace tandem::devices::vsock
