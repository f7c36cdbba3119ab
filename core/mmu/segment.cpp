#include "core/mmu/segment.h"

namespace tandem::mmu {

using namespace cpu;

namespace {

bool is_canonical(u64 a) { return sign_extend_from(a, 48) == a; }

bool refuse(Cpu& cpu, unsigned segment) {
  cpu.fault = fault(segment == kSs ? kStackFault : kGeneralProtection, 0);
  return false;
}

bool is_code(const Segment& s) { return s.type & 8; }
bool expands_down(const Segment& s) { return !is_code(s) && (s.type & 4); }

// Types by SDM vol. 3, 5.5.
bool type_allows(const Segment& s, Access access) {
  if (access == Access::Write) return !is_code(s) && (s.type & 2);
  return access != Access::Read || !is_code(s) || (s.type & 2);
}

// Type and limit of a segment in use (SDM vol. 3, 5.3 and 5.5).
bool allows(const Segment& s, u64 offset, unsigned size, Access access) {
  if (!type_allows(s, access)) return false;
  const u64 last = offset + size - 1;
  if (expands_down(s)) {  // valid above the limit
    const u64 top = s.db ? 0xffffffff : 0xffff;
    return offset > s.limit && last <= top;
  }
  return last <= s.limit && last >= offset;
}

}  // namespace

u64 offsets_end(const Cpu& cpu, unsigned segment, Access access) {
  const Segment& s = cpu.state.segments[segment];
  const bool checks_type = cpu.mode.protected_mode;
  if (checks_type && (!s.present || !type_allows(s, access) || expands_down(s))) return 0;
  return u64{s.limit} + 1;
}

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
