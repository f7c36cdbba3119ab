// Code that has a page in the soft TLB, so that what comes behind it finds it there.
#pragma once

#include <vector>

#include "core/base/types.h"

namespace tandem::tests {

// MOV R8, [address]; MOV [address], R8. address: of 31 bits.
inline void append_touch(std::vector<u8>& code, u64 address) {
  for (const u8 opcode : {u8{0x8b}, u8{0x89}}) {
    code.insert(code.end(), {0x4c, opcode, 0x04, 0x25});
    for (unsigned shift = 0; shift < 32; shift += 8) code.push_back(static_cast<u8>(address >> shift));
  }
}

}  // namespace tandem::tests
