#include "core/mmu/segment.h"

namespace tandem::mmu {

using namespace cpu;

namespace {

bool is_canonical(u64 a) { return sign_extend_from(a, 48) == a; }

bool refuse(Cpu& cpu, unsigned segment) {
  cpu.fault = fault(segment == kSs ? kStackFault : kGeneralProtection, 0);
  return false;
}

// Type and limit of a segment in use (SDM vol. 3, 5.3 and 5.5).
bool allows(const Segment& s, u64 offset, unsigned size, Access access) {
  const bool code = s.type & 8;
  if (access == Access::Write && (code || !(s.type & 2))) return false;
  if (access == Access::Read && code && !(s.type & 2)) return false;
  const u64 last = offset + size - 1;
  if (!code && (s.type & 4)) {  // expand-down: valid above the limit
    const u64 top = s.db ? 0xffffffff : 0xffff;
    return offset > s.limit && last <= top;
  }
  return last <= s.limit && last >= offset;
}

}  // namespace

bool linearize(Cpu& cpu, unsigned segment, u64 offset, unsigned size, Access access, u64& linear) {
  const Segment& s = cpu.state.segments[segment];
  if (cpu.mode.code_size == 8) {
    linear = segment >= kFs ? s.base + offset : offset;
    if (!is_canonical(linear) || !is_canonical(linear + size - 1)) return refuse(cpu, segment);
    return true;
  }
  linear = static_cast<u32>(s.base + offset);
  if (cpu.mode.protected_mode) {
    if (!s.present) return refuse(cpu, segment);  // loaded with a null selector
    if (!allows(s, offset, size, access)) return refuse(cpu, segment);
    return true;
  }
  // Real and virtual-8086 mode: the limit alone, 64 KiB unless "unreal".
  if (offset + size - 1 > s.limit) return refuse(cpu, segment);
  return true;
}

}  // namespace tandem::mmu
