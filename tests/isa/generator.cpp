#include "tests/isa/generator.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/bits.h"
#include "core/cpu/isa_allowed.h"
#include "tests/isa/allowed.h"
#include "tests/isa/state_text.h"

namespace tandem::tests {

namespace {

constexpr unsigned kPoolTries = 1'500'000, kPoolPerMnemonic = 48;
constexpr unsigned kMaxInsns = 8, kMaxLength = 15;
constexpr u32 kArithmetic = static_cast<u32>(cpu::kArithmeticFlags);
// RBX points into the window, RBP is a small index: memory operands use them, nothing writes them.
constexpr u8 kPointer = cpu::kRbx, kIndex = cpu::kRbp;

// Shifts, rotates and repeated compares by a count of 0 leave the flags alone.
bool may_keep_flags(const ZydisDecodedInstruction& insn) {
  return insn.meta.category == ZYDIS_CATEGORY_SHIFT || insn.meta.category == ZYDIS_CATEGORY_ROTATE ||
         insn.mnemonic == ZYDIS_MNEMONIC_SHLD || insn.mnemonic == ZYDIS_MNEMONIC_SHRD ||
         (insn.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE));
}

bool has_vsib(const Decoded& d) {
  for (unsigned i = 0; i < d.insn.operand_count; ++i)
    if (d.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && d.operands[i].mem.index != ZYDIS_REGISTER_NONE &&
        ZydisRegisterGetClass(d.operands[i].mem.index) >= ZYDIS_REGCLASS_XMM)
      return true;
  return false;
}

}  // namespace

bool decode64(std::span<const u8> bytes, Decoded& out) {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder d;
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(&d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    return d;
  }();
  return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &out.insn, out.operands));
}

std::string disassemble(std::span<const u8> bytes) {
  Decoded d;
  if (!decode64(bytes, d)) return "?";
  static const ZydisFormatter formatter = [] {
    ZydisFormatter f;
    ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
    return f;
  }();
  char text[128];
  ZydisFormatterFormatInstruction(&formatter, &d.insn, d.operands, d.insn.operand_count_visible, text,
                                  sizeof text, kCodeAddress, nullptr);
  return text;
}

std::vector<u8> Program::code() const {
  std::vector<u8> all;
  for (const auto& i : insns) all.insert(all.end(), i.begin(), i.end());
  return all;
}

Generator::Generator(const cpu::CpuModel& model, u64 seed, const std::string& filter)
    : model_(model), random_(seed) {
  for (unsigned i = 0; i < kPoolTries; ++i) {
    std::vector<u8> bytes = random_bytes();
    Decoded d;
    if (!decode64(bytes, d) || !allowed(d)) continue;
    if (std::string(ZydisMnemonicGetString(d.insn.mnemonic)).find(filter) == std::string::npos) continue;
    auto& list = pool_[d.insn.mnemonic];
    bytes.resize(d.insn.length);
    if (list.size() < kPoolPerMnemonic) list.push_back(bytes);
    else list[random(kPoolPerMnemonic)] = bytes;
  }
  for (const auto& [mnemonic, list] : pool_) mnemonics_.push_back(mnemonic);
  for (const ZydisMnemonic m :
       {ZYDIS_MNEMONIC_ADC, ZYDIS_MNEMONIC_SBB, ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_LEA})
    if (pool_.contains(m)) carry_.push_back(m);
}

// Bytes that are an instruction often enough: prefixes, then an opcode of one of the maps.
std::vector<u8> Generator::random_bytes() {
  std::vector<u8> b;
  auto byte = [&] { return static_cast<u8>(random_()); };
  const u64 kind = random(10);
  if (kind < 5) {  // legacy
    static constexpr u8 kPrefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x67};
    while (chance(35)) b.push_back(kPrefixes[random(std::size(kPrefixes))]);
    if (chance(50)) b.push_back(static_cast<u8>(0x40 | random(16)));
    if (chance(65)) {
      b.push_back(0x0f);
      if (chance(40)) b.push_back(chance(60) ? 0x38 : 0x3a);
    }
  } else if (kind < 7) {  // VEX
    b = {0xc4, static_cast<u8>((byte() & 0xe0) | (1 + random(3))), byte()};
  } else {  // EVEX
    b = {0x62, static_cast<u8>((byte() & 0xf0) | (1 + random(3))), static_cast<u8>(byte() | 4), byte()};
  }
  while (b.size() < kMaxLength) b.push_back(byte());
  return b;
}

// With EVEX.X set, which means nothing for a general register, AMD's Zen 4 reads an RSP that an earlier CALL
// or PUSH has not reached yet.
static bool reads_stale_stack_pointer(const Decoded& d) {
  if (d.insn.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX) return false;
  for (unsigned i = 0; i < d.insn.operand_count; ++i)
    if (d.operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, d.operands[i].reg.value) ==
            ZYDIS_REGISTER_RSP)
      return true;
  return false;
}

bool Generator::allowed(const Decoded& d) const {
  if (!cpu::isa_allowed(model_, d.insn.meta.isa_set) || !runs_anywhere(d) || reads_stale_stack_pointer(d))
    return false;
  for (unsigned i = 0; i < d.insn.operand_count; ++i) {
    const ZydisDecodedOperand& o = d.operands[i];
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || !(o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) continue;
    const ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o.reg.value);
    if (full == ZYDIS_REGISTER_RBX || full == ZYDIS_REGISTER_RBP) return false;
    if (full == ZYDIS_REGISTER_RSP && o.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) return false;
  }
  return true;
}

// Gives the memory operand an address in the window (seldom across its end); at: offset of the instruction in
// the code.
void Generator::set_memory_form(std::vector<u8>& bytes, const Decoded& d, u64 at) {
  const auto& raw = d.insn.raw;
  const std::size_t modrm = raw.modrm.offset;
  std::vector<u8> head(bytes.begin(), bytes.begin() + static_cast<i64>(modrm)), tail;
  for (const auto& imm : raw.imm)
    for (unsigned i = 0; i < imm.size / 8; ++i) tail.push_back(bytes[imm.offset + i]);
  const bool vsib = has_vsib(d);
  if (d.insn.attributes & ZYDIS_ATTRIB_HAS_REX) head[raw.rex.offset] &= 0xfc;
  if (d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && raw.vex.size == 3)
    head[raw.vex.offset + 1] |= 0x60;
  if (d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) {
    head[raw.evex.offset + 1] |= 0x60;
    if (vsib) head[raw.evex.offset + 3] |= 0x08;
  }
  const u8 reg = static_cast<u8>(raw.modrm.reg << 3);
  const u8 scale = static_cast<u8>(random(4) << 6);
  auto disp32 = [&](u64 v) {
    for (unsigned i = 0; i < 4; ++i) head.push_back(static_cast<u8>(v >> 8 * i));
  };
  const u64 edge = kWindowSize - random(80), inside = random(kWindowSize - 64);
  const u64 target = kWindowAddress + (chance(4)    ? edge
                                       : chance(20) ? kPageSize - random(64)
                                       : chance(50) ? inside & ~u64{63}
                                                    : inside);
  const u64 form = vsib ? 3 : random(4);
  if (form == 0) {  // [rbx + disp8]
    head.push_back(static_cast<u8>(0x40 | reg | kPointer));
    head.push_back(static_cast<u8>(random(32) - 16));
  } else if (form == 1) {  // [disp32]
    head.insert(head.end(), {static_cast<u8>(reg | 4), 0x25});
    disp32(target);
  } else if (form == 2) {  // [rip + disp32]
    const u64 length = head.size() + 5 + tail.size();
    head.push_back(static_cast<u8>(reg | 5));
    disp32(target - (kCodeAddress + at + length));
  } else {  // [rbx + index * scale + disp32]
    const u8 index = vsib ? static_cast<u8>(random(4)) : kIndex;
    head.insert(head.end(),
                {static_cast<u8>(0x80 | reg | 4), static_cast<u8>(scale | index << 3 | kPointer)});
    disp32(target - kWindowAddress - kWindowSize / 4);
  }
  head.insert(head.end(), tail.begin(), tail.end());
  bytes = std::move(head);
}

std::vector<u8> Generator::vary(std::vector<u8> bytes, const Decoded& d, u64 at) {
  for (const auto& imm : d.insn.raw.imm)
    for (unsigned i = 0; i < imm.size / 8; ++i)
      if (imm.is_relative) bytes[imm.offset + i] = 0;  // branches go to the next instruction either way
      else if (chance(50)) bytes[imm.offset + i] = static_cast<u8>(random_());
  if (!(d.insn.attributes & ZYDIS_ATTRIB_HAS_MODRM)) return bytes;
  if (chance(50)) {
    u8& modrm = bytes[d.insn.raw.modrm.offset];
    modrm = static_cast<u8>(modrm ^ (random(64) & (d.insn.raw.modrm.mod == 3 ? 0x3f : 0x38)));
  }
  Decoded again;
  if (decode64(bytes, again) && again.insn.raw.modrm.mod != 3 && again.insn.mnemonic == d.insn.mnemonic)
    set_memory_form(bytes, again, at);
  return bytes;
}

// False: not an instruction that may follow here.
bool Generator::append(Program& p, const std::vector<u8>& encoding) {
  Decoded d;
  if (!decode64(encoding, d)) return false;
  const std::vector<u8> bytes = vary(encoding, d, p.code().size());
  Decoded v;
  if (!decode64(bytes, v) || v.insn.length != bytes.size() || v.insn.mnemonic != d.insn.mnemonic ||
      !allowed(v))
    return false;
  u32 undefined = p.undefined_flags.back();
  const ZydisAccessedFlags& f = *v.insn.cpu_flags;
  const bool reads_all = v.insn.meta.category == ZYDIS_CATEGORY_PUSH && f.tested;
  if ((reads_all ? kArithmetic : f.tested) & undefined) return false;
  if (!may_keep_flags(v.insn)) undefined &= ~(f.modified | f.set_0 | f.set_1);
  p.undefined_flags.push_back((undefined | f.undefined) & kArithmetic);
  p.insns.push_back(bytes);
  return true;
}

u64 Generator::interesting(unsigned bits) {
  switch (random(8)) {
    case 0: return random(4);
    case 1: return ~random(4);
    case 2: return u64{1} << (bits - 1);
    case 3: return (u64{1} << (bits - 1)) - 1;
    case 4: return random(256);
    case 5: return u64{1} << random(bits);
    case 6: return kWindowAddress + random(kWindowSize);
    default: return random_();
  }
}

// Elements of one kind, with the values that arithmetic trips over.
void Generator::fill_vector(u8* bytes, unsigned size) {
  static constexpr u32 kSingles[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                                     0xff800000, 0x7fc00000, 0x7f800001, 0x00000001, 0x007fffff,
                                     0x00800000, 0x7f7fffff, 0x4f000000, 0x5f000000};
  static constexpr u64 kDoubles[] = {0,
                                     u64{1} << 63,
                                     0x3ff0000000000000,
                                     0xbff0000000000000,
                                     0x7ff0000000000000,
                                     0x7ff8000000000000,
                                     0x7ff0000000000001,
                                     1,
                                     0x000fffffffffffff,
                                     0x0010000000000000,
                                     0x7fefffffffffffff,
                                     0x41e0000000000000,
                                     0x43e0000000000000};
  const u64 kind = random(5);
  for (unsigned i = 0; i < size; i += 8) {
    u64 v = random_();
    switch (kind) {
      case 0:
        v = kSingles[random(std::size(kSingles))] | u64{kSingles[random(std::size(kSingles))]} << 32;
        break;
      case 1: v = kDoubles[random(std::size(kDoubles))]; break;
      case 2: v &= 0x007f007f007f007f; break;  // small indices
      case 3: v = std::bit_cast<u64>(static_cast<double>(static_cast<i64>(v)) / 65536.0); break;
      default: break;
    }
    store_le<u64>(bytes + i, v);
  }
}

void Generator::fill_state(RunState& s) {
  for (u64& r : s.gpr) r = interesting(chance(50) ? 64 : 32);
  s.gpr[cpu::kRsp] = kWindowAddress + kWindowSize / 2 + 8 * random(16);
  s.gpr[kPointer] = kWindowAddress + kWindowSize / 4 + (chance(70) ? 64 * random(16) : random(1024));
  s.gpr[kIndex] = random(64);
  s.gpr[cpu::kRsi] = kWindowAddress + random(kWindowSize);
  s.gpr[cpu::kRdi] = kWindowAddress + random(kWindowSize);
  if (chance(60)) s.gpr[cpu::kRcx] = random(70);
  s.rflags = 0x202 | (random_() & cpu::kArithmeticFlags) | (chance(20) ? cpu::kDf : 0);
  for (auto& z : s.vector.zmm) fill_vector(z.bytes, sizeof z.bytes);
  for (u64& k : s.vector.k) k = chance(30) ? 0 : random_();
  s.vector.mxcsr = static_cast<u32>(0x1f80 | (random_() & 0xe07f));
  if (chance(10)) s.vector.mxcsr &= static_cast<u32>(~(random(64) << 7));
  // An exception that is both set and unmasked exists only in x87.
  cpu::X87State& x = s.vector.x87;
  x.fcw = static_cast<u16>(0x7f | random(4) << 10 | (chance(70) ? 3 : 2 * random(2)) << 8);
  if (chance(10)) x.fcw = static_cast<u16>(x.fcw & ~random(64));
  x.fsw = static_cast<u16>(random(8) << 11);
  x.ftw_abridged = static_cast<u8>(chance(50) ? 0xff : random_());
  for (auto& st : x.st) {
    u8 bytes[16];
    fill_vector(bytes, 16);
    std::memcpy(st, bytes, 10);
    if (chance(60)) {
      st[7] |= 0x80;
      store_le<u16>(st + 8, static_cast<u16>(0x3fff + random(64) - 32 + (random(2) << 15)));
    }
  }
  for (u64 i = 0; i < kWindowSize; i += 64) fill_vector(s.window.data() + i, 64);
}

Program Generator::next() {
  Program p;
  p.start = default_state();
  p.undefined_flags = {0};
  fill_state(p.start);
  const u64 count = 1 + random(kMaxInsns);
  const std::vector<ZydisMnemonic>& mnemonics = !carry_.empty() && chance(5) ? carry_ : mnemonics_;
  for (unsigned tries = 0; p.insns.size() < count && tries < 64; ++tries) {
    const auto& list = pool_[mnemonics[random(mnemonics.size())]];
    append(p, list[random(list.size())]);
  }
  return p;
}

Program Generator::single(ZydisMnemonic mnemonic) {
  Program p;
  p.start = default_state();
  p.undefined_flags = {0};
  fill_state(p.start);
  const auto& list = pool_[mnemonic];
  for (unsigned tries = 0; p.insns.empty() && tries < 64; ++tries) append(p, list[random(list.size())]);
  return p;
}

}  // namespace tandem::tests
