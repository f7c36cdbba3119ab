// Numbers and structures of virtio-gpu (VIRTIO 1.2, 5.7).
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "core/base/types.h"

namespace tandem::devices::virtio::gpu {

// 5.7.6.7: commands and answers.
enum Command : u32 {
  kGetDisplayInfo = 0x100,
  kCreate2d = 0x101,
  kUnref = 0x102,
  kSetScanout = 0x103,
  kFlush = 0x104,
  kTransferToHost2d = 0x105,
  kAttachBacking = 0x106,
  kDetachBacking = 0x107,
  kGetEdid = 0x10a,
  kUpdateCursor = 0x300,
  kMoveCursor = 0x301,
};
enum Answer : u32 {
  kOk = 0x1100,
  kOkDisplayInfo = 0x1101,
  kOkEdid = 0x1104,
  kUnspecified = 0x1200,
  kOutOfMemory = 0x1201,
  kBadScanout = 0x1202,
  kBadResource = 0x1203,
  kBadParameter = 0x1205,
};
inline constexpr u32 kFence = 1;  // of Header::flags

// Pixel formats: which byte of four has which colour.
enum Format : u32 {
  kB8G8R8A8 = 1,
  kB8G8R8X8 = 2,
  kA8R8G8B8 = 3,
  kX8R8G8B8 = 4,
  kR8G8B8A8 = 67,
  kX8B8G8R8 = 68,
  kA8B8G8R8 = 121,
  kR8G8B8X8 = 134,
};
inline constexpr u64 kPixelBytes = 4;

struct Header {
  u32 type = 0, flags = 0;
  u64 fence = 0;
  u32 context = 0, ring = 0;
};
struct Rect {
  u32 x = 0, y = 0, width = 0, height = 0;
  static void fields(auto& a, auto& s) { a(s.x, s.y, s.width, s.height); }
  bool inside(u32 w, u32 h) const { return x <= w && y <= h && width <= w - x && height <= h - y; }
};
struct Create2d {
  u32 resource, format, width, height;
};
struct ResourceOnly {
  u32 resource, padding;
};
struct SetScanout {
  Rect rect;
  u32 scanout, resource;
};
struct Flush {
  Rect rect;
  u32 resource, padding;
};
struct Transfer2d {
  Rect rect;
  u64 offset;
  u32 resource, padding;
};
struct AttachBacking {
  u32 resource, entries;
};
struct BackingEntry {
  u64 address = 0;
  u32 length = 0, padding = 0;
  static void fields(auto& a, auto& s) { a(s.address, s.length, s.padding); }
};
struct GetEdid {
  u32 scanout, padding;
};
struct CursorCommand {
  u32 scanout, x, y, padding;
  u32 resource, hot_x, hot_y, padding2;
};

inline constexpr unsigned kMaxScanouts = 16;
struct DisplayInfo {
  Rect rect;
  u32 enabled = 0, flags = 0;
};
inline constexpr std::size_t kEdidSpace = 1024;

// What is read behind the header; nothing: the request is too short.
template <class T>
std::optional<T> body(std::span<const u8> request) {
  T value{};
  if (request.size() < sizeof(Header) + sizeof value) return std::nullopt;
  std::memcpy(&value, request.data() + sizeof(Header), sizeof value);
  return value;
}

}  // namespace tandem::devices::virtio::gpu
