// Tiny kernels for the loaders, made in memory.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/bits.h"

namespace tandem::tests {

using Image = std::vector<u8>;

inline void put(Image& image, u64 offset, u64 value, unsigned size) {
  if (image.size() < offset + size) image.resize(offset + size);
  for (unsigned i = 0; i < size; ++i) image[offset + i] = static_cast<u8>(value >> 8 * i);
}

struct ElfOptions {
  u64 address = 0x200000;  // physical
  u64 memory_size = 0x3000;
  std::vector<u8> code = std::vector<u8>(256, 0x90);
  bool pvh_note = false;
  bool is64 = true;
};

// One loadable segment; the PVH note, if any, in a second header.
inline Image make_elf(const ElfOptions& o) {
  constexpr u64 kHeaders = 64, kProgramSize64 = 56, kProgramSize32 = 32, kNote = 0x180, kCode = 0x200;
  Image e;
  const u8 ident[] = {0x7f, 'E', 'L', 'F', static_cast<u8>(o.is64 ? 2 : 1), 1, 1};
  e.assign(std::begin(ident), std::end(ident));
  put(e, 16, 2, 2);
  put(e, 18, o.is64 ? 62 : 3, 2);
  put(e, 20, 1, 4);
  const unsigned count = o.pvh_note ? 2 : 1;
  if (o.is64) {
    put(e, 24, o.address, 8);
    put(e, 32, kHeaders, 8);
    put(e, 54, kProgramSize64, 2);
    put(e, 56, count, 2);
  } else {
    put(e, 24, o.address, 4);
    put(e, 28, kHeaders, 4);
    put(e, 42, kProgramSize32, 2);
    put(e, 44, count, 2);
  }
  auto program = [&](unsigned i, u32 type, u64 offset, u64 address, u64 file_size, u64 memory_size) {
    const u64 at = kHeaders + i * (o.is64 ? kProgramSize64 : kProgramSize32);
    put(e, at, type, 4);
    const u64 values[] = {offset, address, address, file_size, memory_size};
    for (unsigned v = 0; v < 5; ++v)
      put(e, o.is64 ? at + 8 + 8 * v : at + 4 + 4 * v, values[v], o.is64 ? 8 : 4);
  };
  program(0, 1, kCode, o.address, o.code.size(), o.memory_size);
  if (o.pvh_note) {
    program(1, 4, kNote, 0, 20, 20);
    put(e, kNote, 4, 4);
    put(e, kNote + 4, 4, 4);
    put(e, kNote + 8, 18, 4);
    put(e, kNote + 12, 'X' | 'e' << 8 | 'n' << 16, 4);
    put(e, kNote + 16, o.address + 0x10, 4);
  }
  if (e.size() < kCode) e.resize(kCode);
  e.insert(e.end(), o.code.begin(), o.code.end());
  return e;
}

// A bzImage around a payload. trailing: what the kernel's build appends behind it (the plain size).
inline Image make_bzimage(std::span<const u8> payload, u16 version = 0x020f) {
  constexpr u64 kSetupSectors = 4, kProtected = (kSetupSectors + 1) * 512, kPayloadAt = 0x400;
  Image b(kProtected + kPayloadAt);
  put(b, 0x1f1, kSetupSectors, 1);
  put(b, 0x1fe, 0xaa55, 2);
  put(b, 0x200, 0x66eb, 2);  // header ends at 0x202 + 0x66
  put(b, 0x202, 0x53726448, 4);
  put(b, 0x206, version, 2);
  put(b, 0x211, 1, 1);
  put(b, 0x22c, 0x7fffffff, 4);
  put(b, 0x234, 1, 1);
  put(b, 0x236, 1, 2);
  put(b, 0x238, 2047, 4);
  put(b, 0x248, kPayloadAt, 4);
  put(b, 0x24c, payload.size(), 4);
  put(b, 0x258, 0x1000000, 8);
  put(b, 0x260, 0x100000, 4);
  b.insert(b.end(), payload.begin(), payload.end());
  return b;
}

}  // namespace tandem::tests
