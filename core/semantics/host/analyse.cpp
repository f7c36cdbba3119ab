#include "core/semantics/host/analyse.h"

#include <algorithm>

#include "core/semantics/host/host_form.h"
#include "core/semantics/host/run.h"
#include "core/semantics/host/thunk.h"

namespace tandem::semantics {

namespace {

using Insn = ZydisDecodedInstruction;
using Operand = ZydisDecodedOperand;

u8 number_of(const Operand& o) { return static_cast<u8>(ZydisRegisterGetId(o.reg.value)); }

bool is_class(const Operand& o, ZydisRegisterClass c) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o.reg.value) == c;
}

const Operand* memory_operand(const Insn& insn, const Operand* operands) {
  for (unsigned i = 0; i < insn.operand_count; ++i)
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) return &operands[i];
  return nullptr;
}

bool uses_mask_registers(const Insn& insn, const Operand* operands) {
  return std::any_of(operands, operands + insn.operand_count,
                     [](const Operand& o) { return is_class(o, ZYDIS_REGCLASS_MASK); });
}

bool uses_mmx(const Insn& insn, const Operand* operands) {
  return insn.mnemonic == ZYDIS_MNEMONIC_EMMS ||
         std::any_of(operands, operands + insn.operand_count,
                     [](const Operand& o) { return is_class(o, ZYDIS_REGCLASS_MMX); });
}

bool is_sse(ZydisISAExt extension) {
  switch (extension) {
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4: return true;
    default: return false;
  }
}

std::optional<Unit> unit_of(const Insn& insn, const Operand* operands) {
  // FISTTP came with SSE3.
  if (insn.meta.isa_ext == ZYDIS_ISA_EXT_X87 || insn.mnemonic == ZYDIS_MNEMONIC_FISTTP) return Unit::X87;
  switch (insn.encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_EVEX: return Unit::Avx512;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
      return uses_mask_registers(insn, operands) ? Unit::Avx512 : Unit::Avx;
    case ZYDIS_INSTRUCTION_ENCODING_LEGACY: break;
    default: return std::nullopt;
  }
  const bool xmm = std::any_of(operands, operands + insn.operand_count,
                               [](const Operand& o) { return is_class(o, ZYDIS_REGCLASS_XMM); });
  if (xmm) return Unit::Sse;
  if (uses_mmx(insn, operands)) return Unit::Mmx;
  return is_sse(insn.meta.isa_ext) ? std::optional(Unit::Sse) : std::nullopt;
}

bool waits(const Insn& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_FENI8087_NOP:
    case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FNCLEX:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FNSTCW: return false;
    default: return true;
  }
}

bool is_x87_control(const Insn& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_FENI8087_NOP:
    case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FNCLEX:
    case ZYDIS_MNEMONIC_FLDCW:
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTSW: return true;
    default: return false;
  }
}

bool has_opmask(const Insn& insn) {
  return insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && insn.avx.mask.reg != ZYDIS_REGISTER_NONE &&
         insn.avx.mask.reg != ZYDIS_REGISTER_K0;
}

// Classes without fault suppression access the whole operand (SDM vol. 2, 2.8.8).
bool suppresses_faults(const Insn& insn) {
  // Their elements in memory are not those that the mask names.
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_VDBPSADBW:
    case ZYDIS_MNEMONIC_VGF2P8AFFINEQB:
    case ZYDIS_MNEMONIC_VGF2P8AFFINEINVQB: return false;
    default: break;
  }
  switch (insn.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_E1NF:
    case ZYDIS_EXCEPTION_CLASS_E2NF:
    case ZYDIS_EXCEPTION_CLASS_E3NF:
    case ZYDIS_EXCEPTION_CLASS_E4NF:
    case ZYDIS_EXCEPTION_CLASS_E5NF:
    case ZYDIS_EXCEPTION_CLASS_E6NF:
    case ZYDIS_EXCEPTION_CLASS_E9NF:
    case ZYDIS_EXCEPTION_CLASS_E10NF:
    case ZYDIS_EXCEPTION_CLASS_E11NF: return false;
    default: return true;
  }
}

bool is_packed(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_VCOMPRESSPS:
    case ZYDIS_MNEMONIC_VCOMPRESSPD:
    case ZYDIS_MNEMONIC_VPCOMPRESSB:
    case ZYDIS_MNEMONIC_VPCOMPRESSW:
    case ZYDIS_MNEMONIC_VPCOMPRESSD:
    case ZYDIS_MNEMONIC_VPCOMPRESSQ:
    case ZYDIS_MNEMONIC_VEXPANDPS:
    case ZYDIS_MNEMONIC_VEXPANDPD:
    case ZYDIS_MNEMONIC_VPEXPANDB:
    case ZYDIS_MNEMONIC_VPEXPANDW:
    case ZYDIS_MNEMONIC_VPEXPANDD:
    case ZYDIS_MNEMONIC_VPEXPANDQ: return true;
    default: return false;
  }
}

// Bytes that the memory operand's address must be a multiple of (SDM vol. 2, tables 2-18 to 2-24).
u8 alignment_of(const Insn& insn, unsigned memory_size) {
  if (insn.meta.isa_ext == ZYDIS_ISA_EXT_SHA) return 1;  // differs between vendors: the host decides
  switch (insn.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_AVX1:
    case ZYDIS_EXCEPTION_CLASS_E1:
    case ZYDIS_EXCEPTION_CLASS_E1NF: return static_cast<u8>(memory_size);
    case ZYDIS_EXCEPTION_CLASS_NONE:  // CVTPD2PI
    case ZYDIS_EXCEPTION_CLASS_SSE1:
    case ZYDIS_EXCEPTION_CLASS_SSE2:
    case ZYDIS_EXCEPTION_CLASS_SSE4: break;
    default: return 1;
  }
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM: return 1;
    default: return memory_size == 16 ? 16 : 1;
  }
}

MemoryMask opmask_of(const Insn& insn, const Operand* operands, const Operand& memory) {
  MemoryMask m;
  m.source = MaskSource::Opmask;
  m.reg = static_cast<u8>(ZydisRegisterGetId(insn.avx.mask.reg));
  m.element = static_cast<u8>(memory.element_size / 8);
  m.elements = static_cast<u8>(memory.element_count);
  m.lanes = m.elements;
  m.packed = is_packed(insn.mnemonic);
  const Operand& destination = operands[0];
  const bool to_mask = is_class(destination, ZYDIS_REGCLASS_MASK);
  if (insn.avx.broadcast.is_static) {
    m.lanes = static_cast<u8>(destination.size / memory.element_size);
  } else if (insn.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID) {
    m.lanes = static_cast<u8>(1u << insn.avx.broadcast.mode);  // 1 to 2, 4, 8, ...
  } else if (!to_mask && destination.element_count < memory.element_count) {
    // Lanes of the operation are groups of elements (VPDPBUSD).
    m.elements = m.lanes = static_cast<u8>(destination.element_count);
    m.element = static_cast<u8>(memory.size / 8 / m.elements);
  }
  return m;
}

bool is_vector_mask_store(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_MASKMOVQ || m == ZYDIS_MNEMONIC_MASKMOVDQU || m == ZYDIS_MNEMONIC_VMASKMOVDQU;
}

bool is_vector_masked(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_VMASKMOVPS || m == ZYDIS_MNEMONIC_VMASKMOVPD || m == ZYDIS_MNEMONIC_VPMASKMOVD ||
         m == ZYDIS_MNEMONIC_VPMASKMOVQ;
}

bool is_written(const Operand& o) { return o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE; }

MemoryMask mask_of(const Insn& insn, const Operand* operands, const Operand& memory) {
  MemoryMask m;
  if (is_vector_mask_store(insn.mnemonic)) {
    m.source = insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ? MaskSource::MmxSign : MaskSource::VectorSign;
    m.reg = number_of(operands[1]);
    m.elements = static_cast<u8>(memory.size / 8);
    m.checks_all = true;  // left to the CPU by the manual; AMD's do
  } else if (is_vector_masked(insn.mnemonic)) {
    m.source = MaskSource::VectorSign;
    m.reg = number_of(operands[1]);
    const bool wide =
        insn.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD || insn.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
    m.element = wide ? 8 : 4;
    m.elements = static_cast<u8>(memory.size / 8 / m.element);
  } else if (has_opmask(insn) && (is_written(memory) || suppresses_faults(insn))) {
    m = opmask_of(insn, operands, memory);
    m.checks_all = !suppresses_faults(insn);
  }
  return m;
}

bool is_vsib(const Operand& memory) {
  if (memory.mem.index == ZYDIS_REGISTER_NONE) return false;
  const ZydisRegisterClass c = ZydisRegisterGetClass(memory.mem.index);
  return c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM || c == ZYDIS_REGCLASS_ZMM;
}

bool has_quadword_indices(ZydisMnemonic m) {
  switch (m) {
    case ZYDIS_MNEMONIC_VGATHERQPS:
    case ZYDIS_MNEMONIC_VGATHERQPD:
    case ZYDIS_MNEMONIC_VPGATHERQD:
    case ZYDIS_MNEMONIC_VPGATHERQQ:
    case ZYDIS_MNEMONIC_VSCATTERQPS:
    case ZYDIS_MNEMONIC_VSCATTERQPD:
    case ZYDIS_MNEMONIC_VPSCATTERQD:
    case ZYDIS_MNEMONIC_VPSCATTERQQ: return true;
    default: return false;
  }
}

unsigned width_in_bytes(ZydisRegister r) { return ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, r) / 8; }

// Gathers: data, (k), memory, (vector mask). Scatters: memory, k, data.
std::optional<Vsib> vsib_of(const Insn& insn, const Operand* operands, const Operand& memory) {
  Vsib v;
  v.scatter = operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
  v.opmask = insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
  const Operand& data = operands[v.scatter ? 2 : 0];
  const Operand& mask = operands[v.opmask ? 1 : 2];
  if (data.type != ZYDIS_OPERAND_TYPE_REGISTER || mask.type != ZYDIS_OPERAND_TYPE_REGISTER)
    return std::nullopt;
  v.data = number_of(data);
  v.mask = number_of(mask);
  v.index = static_cast<u8>(ZydisRegisterGetId(memory.mem.index));
  v.index_size = has_quadword_indices(insn.mnemonic) ? 8 : 4;
  v.element = static_cast<u8>(memory.element_size / 8);
  v.scale_log2 = static_cast<u8>(memory.mem.scale == 8 ? 3 : memory.mem.scale >> 1);
  v.count = static_cast<u8>(
      std::min(width_in_bytes(memory.mem.index) / v.index_size, width_in_bytes(data.reg.value) / v.element));
  return v;
}

HostInsn::Run choose_run(const HostInsn& h, const Operand* memory) {
  if (h.vsib.count) return h.vsib.scatter ? run_scatter : run_gather;
  if (!memory) return run_registers;
  const bool store = is_written(*memory);
  if (h.mask.source == MaskSource::None) return store ? run_store : run_load;
  return store ? run_masked_store : run_masked_load;
}

}  // namespace

std::optional<HostInsn> analyse(const Insn& insn, const Operand* operands) {
  const auto unit = unit_of(insn, operands);
  if (!unit) return std::nullopt;
  HostInsn h;
  h.unit = *unit;
  h.x87_state = uses_x87_state(insn, operands);
  h.waits = h.x87_state && waits(insn);
  h.x87_control = is_x87_control(insn);
  h.flags = uses_flags(insn, operands);
  if (h.unit == Unit::X87 && (insn.attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
    const unsigned modrm = insn.raw.modrm.mod << 6 | insn.raw.modrm.reg << 3 | insn.raw.modrm.rm;
    h.x87_opcode = static_cast<u16>((insn.opcode & 7) << 8 | modrm);
  }
  const Operand* memory = memory_operand(insn, operands);
  if (memory) {
    h.memory_size = static_cast<u16>(memory->size / 8);
    if (h.memory_size == 0 || h.memory_size > 64) return std::nullopt;
    h.alignment = alignment_of(insn, h.memory_size);
    if (is_vsib(*memory)) {
      const auto vsib = vsib_of(insn, operands, *memory);
      if (!vsib) return std::nullopt;
      h.vsib = *vsib;
    } else {
      h.mask = mask_of(insn, operands, *memory);
    }
  }
  h.run = choose_run(h, memory);
  return h;
}

}  // namespace tandem::semantics
