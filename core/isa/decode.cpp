#include "core/isa/decode.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <vector>

#include "core/base/bits.h"
#include "core/cpu/isa_allowed.h"
#include "core/isa/op.h"
#include "core/semantics/host/host.h"
#include "core/semantics/host/host_insn.h"

namespace tandem::isa {

using namespace cpu;

namespace {

struct Decoded {
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

ZydisDecoder make_decoder(const CpuModel& model, ZydisMachineMode mode, ZydisStackWidth stack) {
  ZydisDecoder d;
  ZydisDecoderInit(&d, mode, stack);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_LZCNT, isa_allowed(model, ZYDIS_ISA_SET_LZCNT));
  ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_TZCNT, isa_allowed(model, ZYDIS_ISA_SET_BMI1));
  return d;
}

// Zydis' mnemonic -> Op, for rows that carry a mnemonic.
Op op_of_mnemonic(ZydisMnemonic m) {
  static const auto kTable = [] {
    std::array<Op, ZYDIS_MNEMONIC_MAX_VALUE + 1> t;
    t.fill(Op::kCount);
#define SIZED(mnemonic, function, flow) t[ZYDIS_MNEMONIC_##mnemonic] = Op::mnemonic;
#define PLAIN(mnemonic, function, flow) t[ZYDIS_MNEMONIC_##mnemonic] = Op::mnemonic;
#define FORM(name, function, flow)
#include "core/isa/isa.def"
#undef SIZED
#undef PLAIN
#undef FORM
    return t;
  }();
  return kTable[m];
}

bool is_segment(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER &&
         ZydisRegisterGetClass(o.reg.value) == ZYDIS_REGCLASS_SEGMENT;
}
bool is_class(const ZydisDecodedOperand& o, ZydisRegisterClass c) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o.reg.value) == c;
}

Op mov_form(const ZydisDecodedOperand* o) {
  if (is_segment(o[0])) return Op::MOV_TO_SEGMENT;
  if (is_segment(o[1])) return Op::MOV_FROM_SEGMENT;
  if (is_class(o[0], ZYDIS_REGCLASS_CONTROL)) return Op::MOV_TO_CONTROL;
  if (is_class(o[1], ZYDIS_REGCLASS_CONTROL)) return Op::MOV_FROM_CONTROL;
  if (is_class(o[0], ZYDIS_REGCLASS_DEBUG)) return Op::MOV_TO_DEBUG;
  if (is_class(o[1], ZYDIS_REGCLASS_DEBUG)) return Op::MOV_FROM_DEBUG;
  return Op::MOV;
}

Op transfer_form(const Decoded& d, Op near, Op indirect, Op far) {
  if (d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return far;
  return d.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? near : indirect;
}

Op classify(const Decoded& d) {
  const ZydisDecodedOperand* o = d.operands;
  const Op op = op_of_mnemonic(d.insn.mnemonic);
  switch (op) {
    case Op::MOV: return mov_form(o);
    case Op::PUSH: return is_segment(o[0]) ? Op::PUSH_SEGMENT : op;
    case Op::POP: return is_segment(o[0]) ? Op::POP_SEGMENT : op;
    case Op::JMP: return transfer_form(d, Op::JMP, Op::JMP_INDIRECT, Op::JMP_FAR);
    case Op::CALL: return transfer_form(d, Op::CALL, Op::CALL_INDIRECT, Op::CALL_FAR);
    case Op::RET: return d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? Op::RET_FAR : op;
    case Op::IMUL: return d.insn.operand_count_visible == 1 ? Op::IMUL_ONE : op;
    case Op::MOVSD:  // also an SSE2 instruction
    case Op::CMPSD: return d.insn.meta.category == ZYDIS_CATEGORY_STRINGOP ? op : Op::HOST;
    case Op::kCount: return Op::HOST;
    default: return op;
  }
}

u8 gpr_offset_of(ZydisRegister r) {
  const ZydisRegisterClass c = ZydisRegisterGetClass(r);
  const unsigned id = static_cast<unsigned>(ZydisRegisterGetId(r));
  if (c != ZYDIS_REGCLASS_GPR8) return gpr_offset(id);
  // AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B ...
  if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH) return high_byte_offset(r - ZYDIS_REGISTER_AH);
  if (r >= ZYDIS_REGISTER_SPL) return gpr_offset(4 + static_cast<unsigned>(r - ZYDIS_REGISTER_SPL));
  return gpr_offset(static_cast<unsigned>(r - ZYDIS_REGISTER_AL));
}

bool is_gpr(ZydisRegister r) {
  const ZydisRegisterClass c = ZydisRegisterGetClass(r);
  return c == ZYDIS_REGCLASS_GPR8 || c == ZYDIS_REGCLASS_GPR16 || c == ZYDIS_REGCLASS_GPR32 ||
         c == ZYDIS_REGCLASS_GPR64;
}

u8 segment_of(ZydisRegister r) {
  switch (r) {
    case ZYDIS_REGISTER_ES: return kEs;
    case ZYDIS_REGISTER_CS: return kCs;
    case ZYDIS_REGISTER_SS: return kSs;
    case ZYDIS_REGISTER_FS: return kFs;
    case ZYDIS_REGISTER_GS: return kGs;
    default: return kDs;
  }
}

u8 log2_scale(u8 scale) { return scale <= 1 ? 0 : scale == 2 ? 1 : scale == 4 ? 2 : 3; }

void set_memory(Insn& out, const ZydisDecodedInstruction& insn, const ZydisDecodedOperand& o, u8 code_size) {
  const auto& m = o.mem;
  out.segment = segment_of(m.segment);
  if (m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP) {
    out.base = kRipOffset;
    out.disp = m.disp.value + out.offset + insn.length;
  } else {
    if (m.base != ZYDIS_REGISTER_NONE) out.base = gpr_offset_of(m.base);
    out.disp = m.disp.has_displacement ? m.disp.value : 0;
  }
  // A vector index (gathers) is the host's business.
  if (m.index != ZYDIS_REGISTER_NONE && is_gpr(m.index)) {
    out.index = gpr_offset_of(m.index);
    out.scale_log2 = log2_scale(m.scale);
  }
  if (code_size != 8) out.address_form = AddressForm::Segmented;
  else if (out.address_size == 8 && out.segment != kFs && out.segment != kGs)
    out.address_form = AddressForm::Flat64;
  else out.address_form = AddressForm::Based64;
}

void set_operand(Insn& out, unsigned n, const Decoded& d, u8 code_size) {
  const ZydisDecodedOperand& o = d.operands[n];
  switch (o.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      if (is_segment(o)) {
        out.kind[n] = OperandKind::Segment;
        out.reg[n] = segment_of(o.reg.value);
      } else if (is_class(o, ZYDIS_REGCLASS_CONTROL) || is_class(o, ZYDIS_REGCLASS_DEBUG)) {
        out.kind[n] = is_class(o, ZYDIS_REGCLASS_CONTROL) ? OperandKind::Control : OperandKind::Debug;
        out.reg[n] = static_cast<u8>(ZydisRegisterGetId(o.reg.value));
      } else if (is_gpr(o.reg.value)) {
        out.kind[n] = OperandKind::Gpr;
        out.reg[n] = gpr_offset_of(o.reg.value);
      }
      break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      out.kind[n] = OperandKind::Mem;
      set_memory(out, d.insn, o, code_size);
      break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      out.kind[n] = OperandKind::Imm;
      if (out.op == Op::ENTER && n == 1) out.imm |= o.imm.value.u << 16;
      else out.imm = o.imm.value.u;
      break;
    case ZYDIS_OPERAND_TYPE_POINTER:
      out.kind[n] = OperandKind::Imm;
      out.imm = o.ptr.offset | u64{o.ptr.segment} << 32;
      break;
    default: break;
  }
}

u8 prefixes_of(const ZydisDecodedInstruction& insn) {
  u8 p = 0;
  if (insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) p |= kLock;
  if (insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) p |= kRep;
  if (insn.attributes & ZYDIS_ATTRIB_HAS_REPNE) p |= kRepne;
  return p;
}

// Operand size in bytes. Of stack and string instructions too.
u8 size_of(const Decoded& d, Op op) {
  const ZydisDecodedInstruction& i = d.insn;
  if (op == Op::CRC32) return static_cast<u8>(d.operands[1].size / 8);  // the source decides
  switch (d.insn.operand_width) {
    case 8: return 1;
    case 16: return 2;
    case 64: return 8;
    default: break;
  }
  return i.operand_width == 32 ? 4 : 0;
}

// Zydis ranks string operations' address in hidden operands; only segment overrides and sizes matter.
void set_string(Insn& out, const Decoded& d) {
  for (unsigned n = 0; n < d.insn.operand_count; ++n)
    if (d.operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY) {
      out.size = static_cast<u8>(d.operands[n].size / 8);
      const ZydisRegister base = d.operands[n].mem.base;
      if (ZydisRegisterGetId(base) == ZydisRegisterGetId(ZYDIS_REGISTER_RSI))
        out.segment = segment_of(d.operands[n].mem.segment);
    }
}

bool is_string(const ZydisDecodedInstruction& insn) {
  return insn.meta.category == ZYDIS_CATEGORY_STRINGOP || insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

// Zydis ignores CPL and features: UD for what the model lacks.
bool exists(const Cpu& cpu, const Decoded& d) { return isa_allowed(*cpu.model, d.insn.meta.isa_set); }

void fill(Insn& out, const Decoded& d, u8 code_size) {
  out.length = d.insn.length;
  out.address_size = static_cast<u8>(d.insn.address_width / 8);
  out.prefixes = prefixes_of(d.insn);
  out.size = size_of(d, out.op);
  const unsigned count = std::min<unsigned>(d.insn.operand_count_visible, 3);
  for (unsigned n = 0; n < count; ++n) set_operand(out, n, d, code_size);
  if (out.op == Op::HOST)  // it may be hidden (MASKMOVQ) or behind a mask register
    for (unsigned n = 0; n < d.insn.operand_count; ++n)
      if (d.operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY) set_memory(out, d.insn, d.operands[n], code_size);
  if (count >= 2) out.src_size = static_cast<u8>(d.operands[1].size / 8);
  if (is_string(d.insn)) set_string(out, d);
  if (out.op == Op::XLAT) out.segment = segment_of(d.operands[d.insn.operand_count > 1 ? 1 : 0].mem.segment);
  // Zydis names the implicit 1 and CL of shifts as visible operands; an absent third operand stays None.
  if (out.op == Op::MOV_TO_SEGMENT && out.reg[0] == kSs) out.src_size = 2;
}

bool is_legacy_prefix(u8 byte) {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3: return true;
    default: return false;
  }
}

// F3 REX.B 90 is XCHG R8, RAX with a prefix that means nothing there; Zydis 4.0 takes it for PAUSE. Returns
// the bytes without F3, or nothing where it is something else.
std::vector<u8> prefixed_exchange(std::span<const u8> bytes, u8 code_size) {
  std::vector<u8> rest;
  if (code_size != 8) return rest;
  bool repeated = false;
  for (std::size_t at = 0; at + 1 < std::min<std::size_t>(bytes.size(), kMaxLength); ++at) {
    if (is_legacy_prefix(bytes[at])) {
      if (bytes[at] == 0xf3) repeated = true;
      else rest.push_back(bytes[at]);
      continue;
    }
    if ((bytes[at] & 0xf0) != 0x40) break;
    if (bytes[at + 1] != 0x90) continue;  // a REX that is not the last has no effect
    if (!repeated || !(bytes[at] & 1)) break;
    rest.insert(rest.end(), {bytes[at], bytes[at + 1]});
    return rest;
  }
  return {};
}

i64 signed_number(const u8* bytes, unsigned size) {
  switch (size) {
    case 0: return 0;
    case 1: return static_cast<i8>(*bytes);
    case 2: return static_cast<i16>(load_le<u16>(bytes));
    case 4: return static_cast<i32>(load_le<u32>(bytes));
    default: return static_cast<i64>(load_le<u64>(bytes));
  }
}

}  // namespace

Decoder::Decoder(const CpuModel& model)
    : code64_(make_decoder(model, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)),
      code32_(make_decoder(model, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32)),
      code16_(make_decoder(model, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16)),
      real_(make_decoder(model, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16)) {}

const ZydisDecoder& Decoder::decoder_for(const Cpu& cpu, u8 code_size) const {
  if (code_size == 8) return code64_;
  if (code_size == 4) return code32_;
  return cpu.mode.protected_mode ? code16_ : real_;
}

DecodeStatus Decoder::decode(const Cpu& cpu, std::span<const u8> bytes, u8 code_size, u16 offset, Insn& out) {
  const std::optional<Shape> shape = bytes.size() < kMaxLength ? std::nullopt : shape_of(bytes, code_size);
  if (shape && copy_known(*shape, bytes.data(), offset, out)) return DecodeStatus::Ok;
  out = {};
  out.offset = offset;
  Decoded d;
  const ZyanU64 length = std::min<std::size_t>(bytes.size(), kMaxLength);
  const ZyanStatus status =
      ZydisDecoderDecodeFull(&decoder_for(cpu, code_size), bytes.data(), length, &d.insn, d.operands);
  if (status == ZYDIS_STATUS_NO_MORE_DATA && length < kMaxLength) return DecodeStatus::Truncated;
  if (!ZYAN_SUCCESS(status)) {
    out.op = status == ZYDIS_STATUS_NO_MORE_DATA || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG
                 ? Op::TOO_LONG
                 : Op::UNDEFINED;
    out.length = 1;
    return DecodeStatus::Ok;
  }
  if (d.insn.mnemonic == ZYDIS_MNEMONIC_PAUSE) {
    if (const std::vector<u8> exchange = prefixed_exchange(bytes, code_size); !exchange.empty()) {
      decode(cpu, exchange, code_size, offset, out);
      out.length = d.insn.length;
      return DecodeStatus::Ok;
    }
  }
  out.op = exists(cpu, d) ? classify(d) : Op::UNDEFINED;
  fill(out, d, code_size);
  if (out.op == Op::HOST) {
    out.host = cpu.host_code->prepare(bytes.first(d.insn.length), d.insn, d.operands, code_size);
    if (!out.host) out.op = Op::UNDEFINED;
  }
  if (shape) learn(*shape, d.insn, out);
  return DecodeStatus::Ok;
}

bool Decoder::copy_known(const Shape& shape, const u8* bytes, u16 offset, Insn& out) const {
  const Known* known = known_.find(shape);
  if (!known) return false;
  out = known->insn;
  out.offset = offset;
  if (shape.disp) out.disp = signed_number(bytes + shape.bytes, shape.disp);
  if (out.base == kRipOffset) out.disp += offset + out.length;
  if (known->imm == 0) return true;
  const u64 imm = static_cast<u64>(signed_number(bytes + shape.bytes + shape.disp, known->imm));
  out.imm = known->imm_is_signed ? imm : imm & low_mask(8 * known->imm);
  return true;
}

// What the host executes has its immediate in its code, and gathers and scatters their displacement, too;
// EVEX scales displacements of a byte.
void Decoder::learn(const Shape& shape, const ZydisDecodedInstruction& insn, const Insn& out) {
  const auto* const host = static_cast<const semantics::HostInsn*>(out.host);
  if (host && host->vsib.count) return;
  const u8 imm = insn.raw.imm[0].size / 8;
  const bool scaled = insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && shape.disp == 1;
  if (!fits(shape, insn) || scaled || out.op == Op::UNDEFINED || (out.op == Op::HOST && imm)) return;
  known_.keep(shape, {out, imm, insn.raw.imm[0].is_signed == ZYAN_TRUE});
}

}  // namespace tandem::isa
