// What tier 1 needs to know of an instruction beside its Insn: all that Zydis says of it that does not depend
// on displacement and immediate, so that it is asked once for each shape.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/isa/insn.h"
#include "core/isa/shape.h"
#include "jit/base/decoded.h"
#include "jit/base/flag_use.h"
#include "jit/base/register_use.h"
#include "jit/base/small_values.h"

namespace tandem::jit {

// How its bytes are made up.
struct Encoding {
  Encoding() = default;
  Encoding(const ZydisDecodedInstruction& insn);

  u8 length = 0;      // 0: it is none
  u8 encoding = 0;    // ZydisInstructionEncoding
  u8 opcode_map = 0;  // ZydisOpcodeMap
  u8 opcode = 0;
  u8 prefix_count = 0;  // bytes before VEX, EVEX or the opcode
  u8 rex = 0;           // 0: there is none, or it has no effect
  u8 vex_at = 0;        // of VEX or EVEX
  u8 imm_at = 0;        // to its end; `length` where there is no immediate
  u8 modrm = 0;
  bool has_modrm = false;

  bool names_memory() const { return has_modrm && modrm >> 6 != 3; }
  bool operator==(const Encoding&) const = default;
};

struct MemoryOperand {
  u16 bytes = 0;  // 0: that many are not known
  bool writes = false;
  bool is_address = false;  // it is accessed there and nowhere else

  bool operator==(const MemoryOperand&) const = default;
};

// What all instructions of a shape have in common.
struct EncodedShape {
  Encoding insn;
  std::optional<MemoryOperand> memory;  // explicit
  bool names_gpr32 = false;
  u16 reads = 0, writes = 0;  // see RegisterUse; bit n: general-purpose register n
  SmallWrites small;
  FlagUse flags;
  u16 undefined_flags = 0;

  RegisterUse use_of(u8 reg) const { return {(reads >> reg & 1) != 0, (writes >> reg & 1) != 0}; }
};

// What the host, in 64-bit mode, is to be given for a prefix 66.
enum class OperandPrefix : u8 { Kept, Added, Dropped };

struct Encoded : EncodedShape {
  std::span<const u8> bytes;
  OperandPrefix operand_prefix = OperandPrefix::Kept;
};

class Encoder {
 public:
  Encoder();
  // bytes: of the instruction's block; what is returned refers to them. code_size: 2, 4 or 8.
  Encoded encode(const isa::Insn& insn, std::span<const u8> bytes, u8 code_size, bool protected_mode = true);
  // All of a block.
  void encode(std::span<const isa::Insn> insns, std::span<const u8> bytes, u8 code_size, bool protected_mode,
              std::vector<Encoded>& to);

 private:
  using MaybeShape = std::optional<isa::Shape>;

  static MaybeShape shape_of(const isa::Insn& insn, std::span<const u8> bytes, u8 code_size);
  Encoded encode(const MaybeShape& shape, const isa::Insn& insn, std::span<const u8> bytes, u8 code_size,
                 bool protected_mode);
  const ZydisDecoder& decoder(u8 code_size, bool protected_mode) const;

  ZydisDecoder decoder64_, decoder32_, decoder16_, decoder_real_;
  isa::ShapeCache<EncodedShape> known_;
  std::vector<MaybeShape> shapes_;  // of a block
};

}  // namespace tandem::jit
