// Random string instructions as bytes: repeated, and as a loop over single ones.
#pragma once

#include <random>
#include <vector>

#include "core/base/types.h"

namespace tandem::tests {

struct StringInsn {
  u8 opcode = 0;  // that of the byte form is even, of the others odd
  unsigned size = 1;
  bool repne = false;
  bool other_address_size = false;
  bool other_operand_size = false;

  std::vector<u8> single() const {
    std::vector<u8> code;
    if (other_address_size) code.push_back(0x67);
    if (other_operand_size) code.push_back(0x66);
    if (size == 8) code.push_back(0x48);
    code.push_back(opcode);
    return code;
  }
  std::vector<u8> repeated() const {
    std::vector<u8> code = single();
    code.insert(code.begin(), repne ? 0xf2 : 0xf3);
    return code;
  }
  bool is_cmps() const { return (opcode & 0xfe) == 0xa6; }
  bool compares() const { return opcode >= 0xae || is_cmps(); }
};

// In 64-bit code; LODS is left out, which does not run in bulk.
inline StringInsn random_string_insn(std::mt19937_64& random) {
  constexpr u8 kMovs = 0xa4, kCmps = 0xa6, kStos = 0xaa, kScas = 0xae;
  constexpr u8 kOpcodes[] = {kMovs, kCmps, kCmps, kStos, kScas, kScas};
  StringInsn insn;
  insn.size = 1u << random() % 4;
  insn.opcode = static_cast<u8>(kOpcodes[random() % 6] | (insn.size != 1));
  insn.repne = insn.compares() && random() % 2;
  insn.other_address_size = random() % 4 == 0;
  insn.other_operand_size = insn.size == 2;
  return insn;
}

}  // namespace tandem::tests
