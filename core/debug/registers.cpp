#include "core/debug/registers.h"

#include <algorithm>

#include "core/base/bits.h"
#include "core/debug/address.h"

namespace tandem::debug {

using namespace cpu;

namespace {

constexpr std::string_view kCore = "org.gnu.gdb.i386.core", kSse = "org.gnu.gdb.i386.sse",
                           kAvx = "org.gnu.gdb.i386.avx", kSegments = "org.gnu.gdb.i386.segments",
                           kSystem = "org.tandem.i386.system";
constexpr std::string_view kX87Names[] = {"fctrl", "fstat", "ftag",  "fiseg",
                                          "fioff", "foseg", "fooff", "fop"};

class List {
 public:
  explicit List(Arch arch) : wide_(arch == Arch::X86_64) {}

  std::vector<Register> make() {
    general();
    x87();
    const u8 vectors = wide_ ? 16 : 8;
    for (u8 i = 0; i < vectors; ++i)
      add("xmm" + std::to_string(i), RegisterKind::Xmm, i, 128, kSse, "vec128");
    add("mxcsr", RegisterKind::Mxcsr, 0, 32, kSse, "int");
    for (u8 i = 0; i < vectors; ++i)
      add("ymm" + std::to_string(i) + "h", RegisterKind::YmmHigh, i, 128, kAvx, "uint128");
    system();
    return std::move(all_);
  }

 private:
  void add(std::string name, RegisterKind kind, u8 index, u16 bits, std::string_view feature,
           std::string_view type) {
    all_.push_back({std::move(name), kind, index, bits, feature, type});
  }

  void general() {
    static constexpr u8 kLongOrder[] = {kRax, kRbx, kRcx, kRdx, kRsi, kRdi, kRbp, kRsp};
    static constexpr u8 kOldOrder[] = {kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi};
    static constexpr std::string_view kNames[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
    const u16 bits = wide_ ? 64 : 32;
    const std::string prefix = wide_ ? "r" : "e";
    for (const u8 i : wide_ ? kLongOrder : kOldOrder)
      add(prefix + std::string(kNames[i]), RegisterKind::Gpr, i, bits, kCore,
          i == kRsp || i == kRbp ? "data_ptr"
          : wide_                ? "int64"
                                 : "int");
    for (u8 i = 8; wide_ && i < 16; ++i)
      add("r" + std::to_string(i), RegisterKind::Gpr, i, 64, kCore, "int64");
    add(prefix + "ip", RegisterKind::Pc, 0, bits, kCore, "code_ptr");
    add("eflags", RegisterKind::Flags, 0, 32, kCore, "i386_eflags");
    static constexpr std::pair<std::string_view, u8> kSelectors[] = {{"cs", kCs}, {"ss", kSs}, {"ds", kDs},
                                                                     {"es", kEs}, {"fs", kFs}, {"gs", kGs}};
    for (const auto& [name, i] : kSelectors)
      add(std::string(name), RegisterKind::Selector, i, 32, kCore, "int");
  }

  void x87() {
    for (u8 i = 0; i < 8; ++i) add("st" + std::to_string(i), RegisterKind::X87, i, 80, kCore, "i387_ext");
    for (u8 i = 0; i < std::size(kX87Names); ++i)
      add(std::string(kX87Names[i]), RegisterKind::X87Control, i, 32, kCore, "int");
  }

  void system() {
    const u16 bits = wide_ ? 64 : 32;
    const std::string_view type = wide_ ? "int64" : "int", place = wide_ ? kSegments : kSystem;
    add("fs_base", RegisterKind::SegmentBase, kFs, bits, place, type);
    add("gs_base", RegisterKind::SegmentBase, kGs, bits, place, type);
    static constexpr std::pair<std::string_view, u8> kBases[] = {
        {"cs_base", kCs}, {"ss_base", kSs}, {"ds_base", kDs}, {"es_base", kEs}};
    for (const auto& [name, i] : kBases)
      add(std::string(name), RegisterKind::SegmentBase, i, bits, kSystem, type);
    if (wide_) add("k_gs_base", RegisterKind::KernelGsBase, 0, 64, kSystem, type);
    static constexpr std::pair<u8, std::string_view> kControls[] = {
        {0, "i386_cr0"}, {2, ""}, {3, ""}, {4, "i386_cr4"}, {8, ""}};
    for (const auto& [i, flags] : kControls)
      add("cr" + std::to_string(i), RegisterKind::Control, i, bits, kSystem, flags.empty() ? type : flags);
    add("efer", RegisterKind::Efer, 0, bits, kSystem, "i386_efer");
  }

  bool wide_;
  std::vector<Register> all_;
};

u64 x87_control(const X87State& x, u8 index) {
  switch (index) {
    case 0: return x.fcw;
    case 1: return x.fsw;
    case 2: {  // 0 valid, 3 empty; GDB works out the rest
      u64 tags = 0;
      for (unsigned i = 0; i < 8; ++i) tags |= bit(x.ftw_abridged, i) ? 0 : u64{3} << (2 * i);
      return tags;
    }
    case 4: return static_cast<u32>(x.fip);
    case 6: return static_cast<u32>(x.fdp);
    case 7: return x.fop;
    default: return 0;
  }
}

void set_x87_control(X87State& x, u8 index, u64 v) {
  switch (index) {
    case 0: x.fcw = static_cast<u16>(v); break;
    case 1: x.fsw = static_cast<u16>(v); break;
    case 2:
      x.ftw_abridged = 0;
      for (unsigned i = 0; i < 8; ++i)
        if ((v >> (2 * i) & 3) != 3) x.ftw_abridged |= static_cast<u8>(1 << i);
      break;
    default: break;
  }
}

u64 control(const CpuState& s, u8 index) {
  switch (index) {
    case 0: return s.cr0;
    case 2: return s.cr2;
    case 3: return s.cr3;
    case 4: return s.cr4;
    default: return s.lapic.tpr >> 4;
  }
}

// Reserved bits of a control register make states that no CPU is ever in: those stay as they are.
void set_control(CpuState& s, u8 index, u64 v) {
  constexpr u64 kCr0Free = kCr0Mp | kCr0Em | kCr0Ts | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd;
  if (index == 0) s.cr0 = (s.cr0 & ~kCr0Free) | (v & kCr0Free);
  if (index == 2) s.cr2 = v;
  if (index == 3) s.cr3 = v & 0x000f'ffff'ffff'ffff;
  if (index == 8) s.lapic.tpr = static_cast<u32>(v & 15) << 4;
}

const u8* vector_bytes(const CpuState& s, const Register& r) {
  if (r.kind == RegisterKind::X87) return s.vector.x87.st[r.index];
  return s.vector.zmm[r.index].bytes + (r.kind == RegisterKind::YmmHigh ? 16 : 0);
}

bool is_long(const Register& r) {
  return r.kind == RegisterKind::X87 || r.kind == RegisterKind::Xmm || r.kind == RegisterKind::YmmHigh;
}

u64 scalar(const CpuState& s, const Register& r) {
  switch (r.kind) {
    case RegisterKind::Gpr: return s.gpr[r.index];
    case RegisterKind::Pc: return linear_pc(s);
    case RegisterKind::Flags: return s.rflags;
    case RegisterKind::Selector: return s.segments[r.index].selector;
    case RegisterKind::X87Control: return x87_control(s.vector.x87, r.index);
    case RegisterKind::Mxcsr: return s.vector.mxcsr;
    case RegisterKind::SegmentBase: return s.segments[r.index].base;
    case RegisterKind::KernelGsBase: return s.msr.kernel_gs_base;
    case RegisterKind::Control: return control(s, r.index);
    case RegisterKind::Efer: return s.efer;
    default: return 0;
  }
}

void set_scalar(CpuState& s, const Register& r, u64 v) {
  constexpr u64 kFlags = kArithmeticFlags | kTf | kIf | kDf | kIopl | kNt | kRf | kAc | kId;
  const u64 mask = low_mask(r.bits);
  const auto canonical = [&](u64 a) { return sign_extend_from(a, 48) == a || r.bits == 32; };
  switch (r.kind) {
    case RegisterKind::Gpr: s.gpr[r.index] = (r.bits == 32 && !(s.efer & kEferLma)) ? v & mask : v; break;
    case RegisterKind::Pc:
      if (canonical(v)) s.rip = rip_of_linear(s, v);
      break;
    case RegisterKind::Flags: s.rflags = (s.rflags & ~kFlags) | (v & kFlags) | 2; break;
    case RegisterKind::X87Control: set_x87_control(s.vector.x87, r.index, v); break;
    case RegisterKind::Mxcsr: s.vector.mxcsr = static_cast<u32>(v) & 0xffff; break;
    case RegisterKind::SegmentBase:  // others follow from their selectors
      if (canonical(v) && (r.index == kFs || r.index == kGs)) s.segments[r.index].base = v;
      break;
    case RegisterKind::KernelGsBase:
      if (canonical(v)) s.msr.kernel_gs_base = v;
      break;
    case RegisterKind::Control: set_control(s, r.index, v); break;
    default: break;
  }
}

}  // namespace

std::string_view name_of(Arch arch) {
  return arch == Arch::I8086 ? "i8086" : arch == Arch::I386 ? "i386" : "i386:x86-64";
}

Arch arch_of(const CpuState& s, bool has_long_mode) {
  if (s.efer & kEferLma) return Arch::X86_64;
  if (s.cr0 & kCr0Pe) return Arch::I386;
  return has_long_mode ? Arch::X86_64 : Arch::I386;
}

const std::vector<Register>& registers(Arch arch) {
  static const std::vector<Register> wide = List(Arch::X86_64).make(), old = List(Arch::I386).make();
  return arch == Arch::X86_64 ? wide : old;
}

std::string read_register(const CpuState& s, const Register& r) {
  const std::size_t size = r.bits / 8;
  if (is_long(r)) return {reinterpret_cast<const char*>(vector_bytes(s, r)), size};
  const u64 v = scalar(s, r);
  return {reinterpret_cast<const char*>(&v), size};
}

void write_register(CpuState& s, const Register& r, std::string_view bytes) {
  const std::size_t size = std::min<std::size_t>(bytes.size(), r.bits / 8);
  if (is_long(r)) {
    std::copy_n(bytes.data(), size, const_cast<u8*>(vector_bytes(s, r)));
    return;
  }
  u64 v = 0;
  std::memcpy(&v, bytes.data(), size);
  set_scalar(s, r, v);
}

std::optional<u64> value_by_name(const CpuState& s, std::string_view name) {
  if (name == "pc") return linear_pc(s);
  if (name == "sp") return s.gpr[kRsp];
  for (const Arch arch : {Arch::X86_64, Arch::I386})
    for (const Register& r : registers(arch))
      if (r.name == name && !is_long(r)) return scalar(s, r) & low_mask(r.bits);
  return std::nullopt;
}

}  // namespace tandem::debug
