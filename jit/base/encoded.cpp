#include "jit/base/encoded.h"

#include <bit>

#include "core/isa/op.h"

namespace tandem::jit {

namespace {

bool is_gpr32(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && o.reg.value >= ZYDIS_REGISTER_EAX &&
         o.reg.value <= ZYDIS_REGISTER_R15D;
}

// Bit n: general-purpose register n is part of an operand.
u16 named_gprs(const Decoded& d) {
  u16 named = 0;
  const auto name = [&](ZydisRegister reg) {
    if (const std::optional<u8> n = gpr_number(reg)) named = static_cast<u16>(named | 1u << *n);
  };
  for (unsigned n = 0; n < d.insn.operand_count; ++n) {
    const ZydisDecodedOperand& o = d.operands[n];
    if (o.type == ZYDIS_OPERAND_TYPE_REGISTER) name(o.reg.value);
    if (o.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    name(o.mem.base);
    name(o.mem.index);
  }
  return named;
}

EncodedShape describe(const isa::Insn& insn, const Decoded& d) {
  EncodedShape e;
  e.insn = d.insn;
  if (d.memory)
    e.memory = {static_cast<u16>(d.memory->size / 8),
                (d.memory->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0,
                d.memory->mem.type == ZYDIS_MEMOP_TYPE_MEM};
  for (unsigned n = 0; n < d.insn.operand_count_visible; ++n) e.names_gpr32 |= is_gpr32(d.operands[n]);
  for (u32 left = named_gprs(d); left; left &= left - 1) {
    const auto reg = static_cast<u8>(std::countr_zero(left));
    const RegisterUse use = register_use(d, reg);
    e.reads = static_cast<u16>(e.reads | use.reads << reg);
    e.writes = static_cast<u16>(e.writes | use.writes << reg);
  }
  e.small = small_writes(insn, d);
  e.flags = flag_use(d.insn);
  e.undefined_flags = static_cast<u16>(undefined_flags(d.insn));
  return e;
}

}  // namespace

Encoding::Encoding(const ZydisDecodedInstruction& insn)
    : length(insn.length),
      encoding(static_cast<u8>(insn.encoding)),
      opcode_map(static_cast<u8>(insn.opcode_map)),
      opcode(insn.opcode),
      prefix_count(insn.raw.prefix_count),
      imm_at(insn.raw.imm[0].size ? insn.raw.imm[0].offset : insn.length),
      modrm(static_cast<u8>(insn.raw.modrm.mod << 6 | insn.raw.modrm.reg << 3 | insn.raw.modrm.rm)),
      has_modrm((insn.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0) {
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REX)
    rex = static_cast<u8>(0x40 | insn.raw.rex.W << 3 | insn.raw.rex.R << 2 | insn.raw.rex.X << 1 |
                          insn.raw.rex.B);
  if (encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) vex_at = insn.raw.vex.offset;
  if (encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) vex_at = insn.raw.evex.offset;
}

Encoder::Encoder() {
  ZydisDecoderInit(&decoder64_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecoderInit(&decoder32_, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
  ZydisDecoderInit(&decoder16_, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
  ZydisDecoderInit(&decoder_real_, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
}

const ZydisDecoder& Encoder::decoder(u8 code_size, bool protected_mode) const {
  if (code_size != 2) return code_size == 8 ? decoder64_ : decoder32_;
  return protected_mode ? decoder16_ : decoder_real_;
}

// What a shift does with flags is also a matter of its count. Shapes are those of 32 and 64-bit code.
Encoder::MaybeShape Encoder::shape_of(const isa::Insn& insn, std::span<const u8> bytes, u8 code_size) {
  if (code_size == 2 || shifts_by_nothing(insn)) return {};
  return isa::shape_of(bytes.subspan(insn.offset, insn.length), code_size);
}

Encoded Encoder::encode(const isa::Insn& insn, std::span<const u8> bytes, u8 code_size, bool protected_mode) {
  return encode(shape_of(insn, bytes, code_size), insn, bytes, code_size, protected_mode);
}

// What is known of shapes is seldom in the host's caches: all of it is on its way before the first is needed.
void Encoder::encode(std::span<const isa::Insn> insns, std::span<const u8> bytes, u8 code_size,
                     bool protected_mode, std::vector<Encoded>& to) {
  shapes_.clear();
  for (const isa::Insn& insn : insns)
    if (const MaybeShape& shape = shapes_.emplace_back(shape_of(insn, bytes, code_size)); shape)
      known_.prefetch(*shape);
  to.clear();
  for (std::size_t n = 0; n < insns.size(); ++n)
    to.push_back(encode(shapes_[n], insns[n], bytes, code_size, protected_mode));
}

Encoded Encoder::encode(const MaybeShape& shape, const isa::Insn& insn, std::span<const u8> bytes,
                        u8 code_size, bool protected_mode) {
  Encoded e;
  e.bytes = bytes.subspan(insn.offset, insn.length);
  EncodedShape& of_shape = e;
  if (const EncodedShape* known = shape ? known_.find(*shape) : nullptr) {
    of_shape = *known;
  } else {
    Decoded d;
    decode(decoder(code_size, protected_mode), insn, bytes, d);
    of_shape = describe(insn, d);
    if (shape && isa::fits(*shape, d.insn)) known_.keep(*shape, of_shape);
  }
  return e;
}

}  // namespace tandem::jit
