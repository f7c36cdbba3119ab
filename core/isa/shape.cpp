#include "core/isa/shape.h"

#include <algorithm>
#include <array>

namespace tandem::isa {

namespace {

constexpr unsigned kMaxShape = 7;

enum ByteKind : u8 { kNoModrm, kModrm, kPrefix, kNone };

struct Run {
  u8 first, last;
};

constexpr std::array<ByteKind, 256> table_of(std::initializer_list<Run> with_modrm) {
  std::array<ByteKind, 256> t{};
  for (const Run& run : with_modrm)
    for (unsigned b = run.first; b <= run.last; ++b) t[b] = kModrm;
  return t;
}

// SDM vol. 2, table A-2. The prefix of another address size is none of those: it has no shapes.
constexpr std::array<ByteKind, 256> kOneByte = [] {
  auto t = table_of({{0x00, 0x03},
                     {0x08, 0x0b},
                     {0x10, 0x13},
                     {0x18, 0x1b},
                     {0x20, 0x23},
                     {0x28, 0x2b},
                     {0x30, 0x33},
                     {0x38, 0x3b},
                     {0x63, 0x63},
                     {0x69, 0x69},
                     {0x6b, 0x6b},
                     {0x80, 0x8f},
                     {0xc0, 0xc1},
                     {0xc6, 0xc7},
                     {0xd0, 0xd3},
                     {0xd8, 0xdf},
                     {0xf6, 0xf7},
                     {0xfe, 0xff}});
  for (const u8 prefix : {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0xf0, 0xf2, 0xf3}) t[prefix] = kPrefix;
  t[0x67] = kNone;
  return t;
}();
// Table A-3, behind 0F.
constexpr std::array<ByteKind, 256> kTwoBytes = table_of({{0x00, 0x03},
                                                          {0x0d, 0x0d},
                                                          {0x10, 0x2f},
                                                          {0x40, 0x76},
                                                          {0x78, 0x7f},
                                                          {0x90, 0x9f},
                                                          {0xa3, 0xa5},
                                                          {0xab, 0xaf},
                                                          {0xb0, 0xc7},
                                                          {0xd0, 0xff}});

class Reader {
 public:
  Reader(const u8* bytes, u8 code_size) : bytes_(bytes), code_size_(code_size) {}

  std::optional<Shape> read() {
    while (kOneByte[at()] == kPrefix && at_ < kMaxShape) ++at_;
    if (code_size_ == 8 && (at() & 0xf0) == 0x40) ++at_;
    const ByteKind kind = opcode();
    if (kind == kNone) return {};
    if (kind == kModrm) modrm();
    if (at_ > kMaxShape) return {};
    Shape shape{u64{code_size_} << 56, static_cast<u8>(at_), disp_};
    for (unsigned n = 0; n < at_; ++n) shape.key |= u64{bytes_[n]} << 8 * n;
    return shape;
  }

 private:
  u8 at() const { return bytes_[at_]; }
  u8 next() { return bytes_[at_++]; }

  // VEX and EVEX are those where ModRM would name a register, and always in 64-bit mode.
  bool is_vex() const { return code_size_ == 8 || (bytes_[at_] & 0xc0) == 0xc0; }

  ByteKind opcode() {
    const u8 first = next();
    switch (first) {
      case 0x0f: return two_bytes();
      case 0xc5:
        if (!is_vex()) return kModrm;
        ++at_;
        return next() == 0x77 ? kNoModrm : kModrm;
      case 0xc4:
        if (!is_vex()) return kModrm;
        at_ += 3;
        return kModrm;
      case 0x62:
        if (!is_vex()) return kModrm;
        at_ += 4;
        return kModrm;
      default: return kOneByte[first] == kPrefix ? kNone : kOneByte[first];
    }
  }

  ByteKind two_bytes() {
    const u8 second = next();
    if (second == 0x0f) return kNone;  // 3DNow! has its opcode behind the operands
    if (second != 0x38 && second != 0x3a) return kTwoBytes[second];
    ++at_;
    return kModrm;
  }

  void modrm() {
    const u8 m = next(), mode = m >> 6, rm = m & 7;
    if (mode == 3) return;
    const u8 base = rm == 4 ? next() & 7 : rm;
    if (mode == 1) disp_ = 1;
    else if (mode == 2 || base == 5) disp_ = 4;
  }

  const u8* bytes_;
  u8 code_size_;
  unsigned at_ = 0;
  u8 disp_ = 0;
};

}  // namespace

std::optional<Shape> shape_of(std::span<const u8> bytes, u8 code_size) {
  if (code_size == 2) return {};
  if (bytes.size() >= kMaxLength) return Reader(bytes.data(), code_size).read();
  u8 padded[kMaxLength] = {};
  std::ranges::copy(bytes, padded);
  const std::optional<Shape> shape = Reader(padded, code_size).read();
  return shape && shape->bytes + shape->disp <= bytes.size() ? shape : std::nullopt;
}

bool fits(const Shape& shape, const ZydisDecodedInstruction& insn) {
  const auto& disp = insn.raw.disp;
  const auto& imm = insn.raw.imm[0];
  return disp.size == 8 * shape.disp && (disp.size == 0 || disp.offset == shape.bytes) &&
         (imm.size == 0 || imm.offset == shape.bytes + shape.disp) &&
         insn.length == shape.bytes + shape.disp + imm.size / 8 && insn.raw.imm[1].size == 0;
}

}  // namespace tandem::isa
