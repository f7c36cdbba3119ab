#include "jit/base/shared_checks.h"

#include <array>
#include <optional>

#include "core/isa/op.h"
#include "jit/base/assembler.h"

namespace tandem::jit {

using isa::Insn;
using isa::Op;
using isa::OperandKind;

namespace {

// Wider windows lie more often in two pages.
constexpr i64 kWidestWindow = 256;
constexpr i64 kFarthest = i64{1} << 29;

// What a register holds: an unknown number, the same for all with this name, plus a distance.
struct Value {
  u32 name = 0;
  i64 distance = 0;
};

// What all addresses of a group have in common.
struct Key {
  u32 base = 0, index = 0, segment = 0;
  u8 scale = 0;
  bool operator==(const Key&) const = default;
};

struct Access {
  Key key;
  i64 distance = 0;
  u32 size = 0;
  bool write = false;
};

struct Group {
  Key key;
  bool write = false;
  i64 low = 0, high = 0;
  std::size_t first = 0;
  i64 first_distance = 0;
  std::vector<std::size_t> followers;
};

class Sharing {
 public:
  explicit Sharing(const BlockView& block)
      : block_(block), insns_(block.insns), decoded_(block.decoded), forms_(block.forms) {
    change_all();
  }

  void run() {
    for (at_ = 0; at_ < insns_.size(); ++at_) {
      if (at_ == block_.free_at) when_free_ = registers_;
      if (const std::optional<Access> access = access_of()) join(*access);
      follow_registers();
    }
  }

  void write_to(SharedChecks& checks) const {
    checks.of.assign(insns_.size(), {});
    checks.hoisted.clear();
    u8 number = 0;
    for (const Group& g : groups_) {
      if (number == interp::TierFrame::kAddends) return;
      const std::optional<HoistedCheck> hoisted = hoist(g);
      if (g.followers.empty() && !hoisted) continue;
      if (hoisted) {
        checks.hoisted.push_back(*hoisted);
        checks.hoisted.back().group = number;
        checks.of[g.first] = {number, false, 0, 0};
      } else {
        checks.of[g.first] = {number, true, static_cast<i32>(g.low - g.first_distance),
                              static_cast<u32>(g.high - g.low)};
      }
      for (const std::size_t i : g.followers) checks.of[i] = {number, false, 0, 0};
      ++number;
    }
  }

 private:
  void change(unsigned reg) { registers_[reg] = {++names_, 0}; }

  // Worth it where flags are live at the first access; possible where its registers are what they were.
  std::optional<HoistedCheck> hoist(const Group& g) const {
    if (g.first <= block_.free_at || !block_.live[g.first] || g.key.segment) return {};
    const std::optional<u8> base = holder(g.key.base);
    const std::optional<u8> index = g.key.index ? holder(g.key.index) : 0xff;
    if (!base || !index) return {};
    i64 disp = g.low - when_free_[*base].distance;
    if (g.key.index) disp -= when_free_[*index].distance << g.key.scale;
    if (disp > kFarthest || disp < -kFarthest) return {};
    return HoistedCheck{
        kNoGroup, *base, *index, g.key.scale, static_cast<i32>(disp), static_cast<u32>(g.high - g.low),
        g.write};
  }
  // A register that holds the value of this name, but for a distance, where checks are hoisted to.
  std::optional<u8> holder(u32 name) const {
    for (u8 r = 0; r < 16; ++r)
      if (when_free_[r].name == name && !(r == kT0 || r == kT1)) return r;
    return {};
  }

  std::optional<Access> access_of() const {
    const Insn& insn = insns_[at_];
    const Decoded& d = decoded_[at_];
    switch (forms_[at_]) {
      case Form::Memory: return operand(insn, d);
      case Form::Push:
      case Form::CallIndirect:
        if (d.memory) return {};  // two accesses
        return stack(kSp, -block_.word, true);
      case Form::Call: return stack(kSp, -block_.word, true);
      case Form::Pop:
      case Form::Return: return stack(kSp, 0, false);
      case Form::Leave: return stack(kBp, 0, false);
      default: return {};
    }
  }
  std::optional<Access> stack(unsigned reg, i64 disp, bool write) const {
    const Value& v = registers_[reg];
    return Access{{v.name, 0, 0, 0}, v.distance + disp, block_.word, write};
  }
  std::optional<Access> operand(const Insn& insn, const Decoded& d) const {
    if (insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset) return {};
    if (insn.disp > kFarthest || insn.disp < -kFarthest) return {};
    const Value& base = registers_[insn.base / 8];
    Access a{{base.name, 0, 0, 0}, base.distance + insn.disp, d.memory->size / 8u, false};
    a.write = d.memory->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    if (insn.index != isa::kZeroOffset) {
      const Value& index = registers_[insn.index / 8];
      a.key.index = index.name;
      a.key.scale = insn.scale_log2;
      a.distance += index.distance << insn.scale_log2;
    }
    const bool based =
        block_.word == 8 ? insn.address_form == isa::AddressForm::Based64 : insn.segment >= cpu::kFs;
    if (based) a.key.segment = segments_[insn.segment];
    return a;
  }

  // A page that may be written may be read.
  void join(const Access& a) {
    for (Group& g : groups_) {
      if (g.key != a.key || (a.write && !g.write)) continue;
      const i64 low = std::min(g.low, a.distance), high = std::max(g.high, a.distance + a.size);
      if (high - low > kWidestWindow) continue;
      g.low = low;
      g.high = high;
      g.followers.push_back(at_);
      return;
    }
    groups_.push_back({a.key, a.write, a.distance, a.distance + a.size, at_, a.distance, {}});
  }

  void follow_registers() {
    const Insn& insn = insns_[at_];
    switch (forms_[at_]) {
      case Form::Execute: return change_all();
      case Form::SwapGs: segments_[cpu::kGs] = ++names_; return;
      case Form::Push: registers_[kSp].distance -= block_.word; return;
      case Form::Pop: registers_[kSp].distance += block_.word; return change(insn.reg[0] / 8u);
      case Form::Leave:
        registers_[kSp] = {registers_[kBp].name, registers_[kBp].distance + block_.word};
        return change(kBp);
      case Form::Lea:
      case Form::Copy:
        if (const std::optional<Value> v = computed(insn)) {
          registers_[insn.reg[0] / 8] = *v;
          return;
        }
        break;
      default: break;
    }
    change_written(decoded_[at_]);
  }
  // Of the first operand, where it is that of a register at a known distance.
  std::optional<Value> computed(const Insn& insn) const {
    if (insn.size != block_.word || insn.kind[0] != OperandKind::Gpr) return {};
    Value v = registers_[insn.reg[0] / 8];
    const bool by_constant = insn.kind[1] == OperandKind::Imm;
    switch (insn.op) {
      case Op::ADD:
        if (!by_constant) return {};
        v.distance += signed_imm(insn);
        break;
      case Op::SUB:
        if (!by_constant) return {};
        v.distance -= signed_imm(insn);
        break;
      case Op::INC: ++v.distance; break;
      case Op::DEC: --v.distance; break;
      case Op::MOV:
        if (insn.kind[1] != OperandKind::Gpr) return {};
        v = registers_[insn.reg[1] / 8];
        break;
      case Op::LEA:
        if (insn.address_size != block_.word || insn.index != isa::kZeroOffset ||
            insn.base == isa::kRipOffset || insn.base == isa::kZeroOffset)
          return {};
        v = registers_[insn.base / 8];
        v.distance += insn.disp;
        break;
      default: return {};
    }
    if (v.distance > kFarthest || v.distance < -kFarthest) return {};
    return v;
  }
  i64 signed_imm(const Insn& insn) const {
    return block_.word == 8 ? static_cast<i64>(insn.imm) : static_cast<i32>(insn.imm);
  }
  void change_written(const Decoded& d) {
    for (unsigned n = 0; n < d.insn.operand_count; ++n) {
      const ZydisDecodedOperand& o = d.operands[n];
      if (o.type != ZYDIS_OPERAND_TYPE_REGISTER || !(o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) continue;
      const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o.reg.value);
      if (ZydisRegisterGetClass(whole) == ZYDIS_REGCLASS_GPR64)
        change(static_cast<unsigned>(ZydisRegisterGetId(whole)));
    }
  }
  void change_all() {
    for (unsigned r = 0; r < 16; ++r) change(r);
    for (u32& s : segments_) s = ++names_;
  }

  const BlockView& block_;
  std::span<const Insn> insns_;
  std::span<const Decoded> decoded_;
  std::span<const Form> forms_;
  std::size_t at_ = 0;
  u32 names_ = 0;
  std::array<Value, 16> registers_, when_free_{};
  std::array<u32, 6> segments_;
  std::vector<Group> groups_;
};

}  // namespace

void share_checks(const BlockView& block, SharedChecks& checks) {
  Sharing sharing(block);
  sharing.run();
  sharing.write_to(checks);
}

}  // namespace tandem::jit
