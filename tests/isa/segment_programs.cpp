#include "tests/isa/segment_programs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/base/bits.h"

namespace tandem::tests {

using namespace cpu;

namespace {

constexpr u64 kGdt = 0x800, kDescriptors = 16;
constexpr u8 kHlt = 0xf4;
constexpr unsigned kLongestInsn = 15, kMostInsns = 14;

// What tells the time or who executed, changes the machine under the program, is left open by the manual, or
// may take billions of steps.
bool is_left_out(const ZydisDecodedInstruction& insn) {
  constexpr u64 kRepeated = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
  if ((insn.attributes & kRepeated) && insn.address_width == 32) return true;
  switch (insn.meta.category) {
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_RDRAND:
    case ZYDIS_CATEGORY_RDSEED:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
    case ZYDIS_CATEGORY_GATHER:
    case ZYDIS_CATEGORY_AVX2GATHER: return true;
    default: break;
  }
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPMC:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_WRMSR:
    case ZYDIS_MNEMONIC_RSM:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_MWAIT:
    case ZYDIS_MNEMONIC_LMSW:
    case ZYDIS_MNEMONIC_LGDT:
    case ZYDIS_MNEMONIC_LIDT:
    case ZYDIS_MNEMONIC_CLZERO:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR: return true;
    case ZYDIS_MNEMONIC_BSWAP:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD: return insn.operand_width == 16;
    default: return false;
  }
}

bool loads_control_register(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  if (insn.operand_count == 0 || operands[0].type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  const ZydisRegisterClass c = ZydisRegisterGetClass(operands[0].reg.value);
  return c == ZYDIS_REGCLASS_CONTROL || c == ZYDIS_REGCLASS_DEBUG;
}

bool leaves_flags_open(const ZydisDecodedInstruction& insn) {
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_TEST: return false;
    default: return insn.cpu_flags && (insn.cpu_flags->undefined & kArithmeticFlags);
  }
}

ZydisDecoder make_decoder(SegmentMode mode) {
  ZydisDecoder d;
  switch (mode) {
    case SegmentMode::Protected32:
      ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
      break;
    case SegmentMode::Protected16:
      ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
      break;
    default: ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
  }
  return d;
}

u64 descriptor(const Segment& s) {
  const u64 limit = s.limit > 0xfffff ? s.limit >> 12 : s.limit;
  const u64 g = s.limit > 0xfffff;
  return (limit & 0xffff) | (s.base & 0xffffff) << 16 | u64{s.type} << 40 | u64{1} << 44 | u64{s.dpl} << 45 |
         u64{s.present} << 47 | (limit >> 16 & 15) << 48 | u64{s.db} << 54 | g << 55 |
         (s.base >> 24 & 0xff) << 56;
}

}  // namespace

std::string name_of(SegmentMode mode) {
  switch (mode) {
    case SegmentMode::Real: return "Real";
    case SegmentMode::Virtual8086: return "Virtual8086";
    case SegmentMode::Protected16: return "Protected16";
    case SegmentMode::Protected32: return "Protected32";
  }
  return {};
}

u64 SegmentProgram::code_bytes() const {
  u64 bytes = 0;
  for (const auto& insn : insns) bytes += insn.size();
  return bytes;
}

bool SegmentProgram::has_code(const std::vector<u8>& other) const {
  const u64 from = start.segments[kCs].base + start.rip, to = std::min(from + code_bytes(), memory.size());
  return std::equal(memory.begin() + static_cast<i64>(from), memory.begin() + static_cast<i64>(to),
                    other.begin() + static_cast<i64>(from));
}

std::string SegmentProgram::text(SegmentMode mode) const {
  ZydisDecoder decoder = make_decoder(mode);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  std::string out;
  u64 at = start.rip;
  for (const std::vector<u8>& bytes : insns) {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char line[128] = "?";
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &insn, operands)))
      ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible, line,
                                      sizeof line, at, nullptr);
    out += fmt::format("  {:5x}  {:02x}  {}\n", at, fmt::join(bytes, " "), line);
    at += bytes.size();
  }
  static constexpr const char* kNames[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < kSegmentCount; ++i) {
    const Segment& s = start.segments[i];
    out += fmt::format("  {} {:04x} type {} present {} db {} limit {:x} base {:x}\n", kNames[i], s.selector,
                       s.type, s.present, s.db, s.limit, s.base);
  }
  for (unsigned i = 0; i < 8; ++i) out += fmt::format("  gpr {} {:x}\n", i, start.gpr[i]);
  return out + fmt::format("  flags {:x}\n", start.rflags);
}

SegmentPrograms::SegmentPrograms(SegmentMode mode, u64 seed)
    : mode_(mode), random_(seed), decoder_(make_decoder(mode)) {}

std::vector<u8> SegmentPrograms::random_insn() {
  static constexpr u8 kPrefixes[] = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3};
  // What makes most of such programs: moves, the stack, segment loads, far branches, loops, strings.
  static constexpr u8 kCommon[] = {0x88, 0x89, 0x8a, 0x8b, 0x50, 0x58, 0x8e, 0x8c, 0x07, 0x1f, 0x06,
                                   0x1e, 0xff, 0xc3, 0xe8, 0xcb, 0x9a, 0xea, 0xc4, 0xc5, 0xa4, 0xa5,
                                   0xaa, 0xab, 0xac, 0xad, 0xe2, 0xe1, 0xe3, 0xc9, 0x6a, 0x68, 0x8d,
                                   0xa0, 0xa3, 0xc6, 0x60, 0x61, 0x8f, 0x9c, 0x9d, 0xd7, 0xfc, 0xfd,
                                   0xfa, 0xfb, 0xa6, 0xa7, 0xae, 0xaf, 0xe0, 0x0e, 0x16, 0x17, 0xc8};
  while (true) {
    std::vector<u8> b;
    while (chance(20)) b.push_back(kPrefixes[random(std::size(kPrefixes))]);
    if (chance(25)) b.push_back(kCommon[random(std::size(kCommon))]);
    else if (chance(15)) b.push_back(0x0f);
    while (b.size() < kLongestInsn) b.push_back(static_cast<u8>(random_()));
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, b.data(), b.size(), &insn, operands))) continue;
    if (is_left_out(insn) || loads_control_register(insn, operands)) continue;
    // Undefined flags are gone before anyone can see them.
    const bool open = leaves_flags_open(insn);
    b.resize(insn.length);
    if (open) b.insert(b.end(), {0x84, 0xc0});  // TEST AL, AL
    return b;
  }
}

// Limits near where offsets are; some segments read-only, code, expand-down, not present.
Segment SegmentPrograms::data_segment() {
  constexpr u32 kLimits[] = {0xffff, 0xffff, 0xfffff, 0xffffffff, 0xffffffff, 0x8000, 0x7fff, 0x10fff};
  static constexpr u8 kOthers[] = {1, 5, 7, 9, 11, 15};
  return {.selector = static_cast<u16>(8 * (1 + random(kDescriptors - 1))),
          .type = chance(75) ? u8{3} : kOthers[random(std::size(kOthers))],
          .s = true,
          .present = !chance(5),
          .db = chance(50),
          .limit = kLimits[random(std::size(kLimits))],
          .base = chance(20) ? 0 : 0x2000 + random(0x40000)};
}

Segment SegmentPrograms::real_segment() {
  const u64 selector = 0x200 + random(0x4000);
  Segment s{.selector = static_cast<u16>(selector),
            .type = 3,
            .s = true,
            .present = true,
            .limit = 0xffff,
            .base = selector << 4};
  if (mode_ == SegmentMode::Virtual8086) s.dpl = 3;
  else if (chance(10)) s.limit = chance(50) ? 0xffffffff : static_cast<u32>(0x7fff + random(0x18000));
  return s;
}

void SegmentPrograms::set_segments(CpuState& s) {
  for (Segment& segment : s.segments) segment = is_protected() ? data_segment() : real_segment();
  Segment& cs = s.segments[kCs];
  if (is_protected()) {
    cs.type = chance(80) ? 11 : 9;
    cs.present = true;
    cs.db = wide();
    cs.dpl = s.segments[kSs].dpl = 0;
    if (chance(30)) cs.limit = 0xffffffff;
    if (wide() && chance(30)) cs.base = 0, cs.limit = 0xffffffff;
    if (chance(40))
      s.segments[kSs] = {.type = 3, .s = true, .present = true, .db = wide(), .limit = 0xffffffff};
    if (wide() && chance(40)) s.segments[kDs] = s.segments[kSs];
  } else if (mode_ == SegmentMode::Real) {
    cs.limit = 0xffff;
  }
  // Code that may be written.
  if (chance(15)) s.segments[kDs].base = s.segments[kEs].base = cs.base;
}

void SegmentPrograms::write_descriptors(SegmentProgram& p) {
  for (u64 i = 1; i < kDescriptors; ++i) {
    Segment s = data_segment();
    if (chance(30)) s.type = 11;
    store_le<u64>(p.memory.data() + kGdt + 8 * i, descriptor(s));
  }
  p.start.gdtr = {kGdt, 8 * kDescriptors - 1};
}

// Near where offsets wrap and limits are, or anywhere.
u64 SegmentPrograms::edge() {
  static constexpr u32 kEdges[] = {0, 0x10000, 0x8000, 0x11000, 0xfff};
  if (chance(25)) return random(16);
  const u64 near = kEdges[random(std::size(kEdges))] + random(8) - 4;
  return static_cast<u32>(chance(50) ? near : chance(70) ? random(0x10000) : random_());
}

// Branches lead to instructions of the program, mostly onwards.
void SegmentPrograms::aim_branches(std::vector<std::vector<u8>>& insns) {
  for (std::size_t i = 0; i < insns.size(); ++i) {
    ZydisDecodedInstruction insn;
    ZydisDecoderContext context;
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeInstruction(&decoder_, &context, insns[i].data(), insns[i].size(), &insn)))
      continue;
    const auto& imm = insn.raw.imm[0];
    if (!imm.is_relative || chance(5)) continue;
    const bool back = i && chance(10);
    const std::size_t to = back ? random(i) : i + 1 + random(insns.size() - i);
    i64 distance = 0;
    for (std::size_t n = std::min(i + 1, to); n < std::max(i + 1, to); ++n)
      distance += static_cast<i64>(insns[n].size());
    if (back) distance = -distance;
    for (unsigned k = 0; k < imm.size / 8; ++k)
      insns[i][imm.offset + k] = static_cast<u8>(static_cast<u64>(distance) >> 8 * k);
  }
}

std::vector<std::vector<u8>> SegmentPrograms::insns() {
  std::vector<std::vector<u8>> all;
  const u64 count = 1 + random(kMostInsns);
  while (all.size() < count) all.push_back(random_insn());
  aim_branches(all);
  i64 length = 0;
  for (const auto& insn : all) length += static_cast<i64>(insn.size());
  if (chance(50) && length < 120) all.push_back({0xe2, static_cast<u8>(-length - 2)});  // LOOP to the first
  all.push_back({kHlt});
  return all;
}

SegmentProgram SegmentPrograms::next() {
  SegmentProgram p;
  CpuState& s = p.start = reset_state(true, 0);
  s.idtr.limit = 0;  // faults shut the CPU down
  s.xcr0 = 7;
  s.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt;
  s.cr0 = kCr0Et | kCr0Ne | (mode_ == SegmentMode::Real ? 0 : kCr0Pe);
  s.rflags = 2 | (random_() & kArithmeticFlags) | (chance(20) ? kDf : 0);
  if (mode_ == SegmentMode::Virtual8086) s.rflags |= kVm | kIopl;
  for (u64 i = 0; i < 8; ++i) s.gpr[i] = edge();
  if (chance(70)) s.gpr[kRsp] = static_cast<u32>(s.gpr[kRsp] & 0xfffe);
  s.gpr[kRcx] = chance(70) ? 1 + random(3) : s.gpr[kRcx];
  for (Zmm& z : s.vector.zmm)
    for (u8& byte : z.bytes) byte = static_cast<u8>(random_());
  set_segments(s);
  p.memory.resize(kMemory);
  for (u64 i = 0; i + 8 <= kMemory; i += 8)
    store_le<u64>(p.memory.data() + i, random_() & (chance(50) ? 0xffff : ~u64{0}));
  write_descriptors(p);
  p.insns = insns();
  std::vector<u8> code;
  for (const auto& insn : p.insns) code.insert(code.end(), insn.begin(), insn.end());
  // Sometimes at the segment's or a page's end.
  const Segment& cs = s.segments[kCs];
  s.rip = chance(10)   ? 0x10000 - random(code.size() + 2)
          : chance(20) ? 0x1000 - random(code.size())
                       : random(0xff00);
  if (s.rip > cs.limit) s.rip = 0x100;
  for (u64 i = 0; i < code.size(); ++i) {
    const u64 at = cs.base + ((s.rip + i) & (wide() ? ~u64{0} : 0xffff));
    if (at < kMemory) p.memory[at] = code[i];
  }
  return p;
}

}  // namespace tandem::tests
