#include "core/mmu/walk.h"

#include "core/cpu/cpu.h"

namespace tandem::mmu {

using namespace cpu;

namespace {

constexpr u64 kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80,
              kGlobal = 0x100;
constexpr u64 kNoExecute = u64{1} << 63;

// One level of a walk: where its entries are and how they are shaped.
struct Level {
  unsigned shift;  // linear address bits below this level's index
  unsigned index_bits;
  unsigned entry_size;
  bool may_be_large;
};

struct Path {
  u64 writable = kWrite, user = kUser, no_execute = 0;  // combined over the levels
};

u64 load_entry(Cpu& cpu, u64 address, unsigned size) {
  const u8* p = cpu.memory->host(smram_view(cpu, address, Access::Read));
  if (!p) return ~u64{0};
  return size == 8 ? __atomic_load_n(reinterpret_cast<const u64*>(p), __ATOMIC_RELAXED)
                   : __atomic_load_n(reinterpret_cast<const u32*>(p), __ATOMIC_RELAXED);
}

// SAFETY: entries are naturally aligned in guest RAM, shared with other vCPUs: changed by compare-exchange.
bool set_entry_bits(Cpu& cpu, u64 address, unsigned size, u64 seen, u64 wanted) {
  const Gpa gpa = smram_view(cpu, address, Access::Read);
  u8* p = cpu.memory->host_for_write(gpa);
  if (!p || p != cpu.memory->host(gpa)) return true;
  bool done;
  if (size == 8) {
    u64 expected = seen;
    done = __atomic_compare_exchange_n(reinterpret_cast<u64*>(p), &expected, seen | wanted, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  } else {
    u32 expected = static_cast<u32>(seen);
    done = __atomic_compare_exchange_n(reinterpret_cast<u32*>(p), &expected, static_cast<u32>(seen | wanted),
                                       false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  }
  if (done) cpu.memory->written(gpa, size);
  return done;
}

class Walker {
 public:
  Walker(Cpu& cpu, u64 linear, Access access, Privilege privilege, WalkPath* steps)
      : cpu_(cpu),
        linear_(linear),
        access_(access),
        steps_(steps),
        user_(privilege == Privilege::User),
        smap_(privilege == Privilege::SupervisorSmap) {}

  bool run(Translation& out) {
    const bool pae = cpu_.state.cr4 & kCr4Pae;
    const bool nx = cpu_.state.efer & kEferNxe;
    reserved_ = ~low_mask_physical() & (nx ? ~kNoExecute : ~u64{0}) &
                (cpu_.mode.long_mode ? ~(u64{0x7ff} << 52) : ~u64{0});
    for (;;) {
      path_ = {};
      if (steps_) *steps_ = {};
      const Outcome r = pae ? (cpu_.mode.long_mode ? walk_4level(out) : walk_pae(out)) : walk_32bit(out);
      if (r != Outcome::Retry) return r == Outcome::Done;
    }
  }

 private:
  enum class Outcome { Done, Fault, Retry, Descend };

  u64 low_mask_physical() const { return cpu_.physical_mask | kPageMask; }

  Outcome fail(u32 bits) {
    u32 code = bits | (access_ == Access::Write ? kPfWrite : 0) | (user_ ? kPfUser : 0);
    const bool reports_fetch =
        (cpu_.state.efer & kEferNxe && cpu_.state.cr4 & kCr4Pae) || (cpu_.state.cr4 & kCr4Smep);
    if (access_ == Access::Fetch && reports_fetch) code |= kPfFetch;
    cpu_.fault = page_fault(linear_, code);
    return Outcome::Fault;
  }

  Outcome walk_4level(Translation& out) {
    static constexpr Level kLevels[] = {
        {39, 9, 8, false}, {30, 9, 8, true}, {21, 9, 8, true}, {12, 9, 8, false}};
    u64 table = cpu_.state.cr3 & cpu_.physical_mask;
    for (const Level& level : kLevels)
      if (const Outcome r = step(level, table, out); r != Outcome::Descend) return r;
    return Outcome::Done;
  }

  Outcome walk_pae(Translation& out) {
    static constexpr Level kLevels[] = {{21, 9, 8, true}, {12, 9, 8, false}};
    const u64 pdpte = cpu_.state.pdpte[bits(linear_, 31, 30)];
    if (!(pdpte & kPresent)) return fail(0);
    u64 table = pdpte & cpu_.physical_mask;
    for (const Level& level : kLevels)
      if (const Outcome r = step(level, table, out); r != Outcome::Descend) return r;
    return Outcome::Done;
  }

  Outcome walk_32bit(Translation& out) {
    static constexpr Level kLevels[] = {{22, 10, 4, true}, {12, 10, 4, false}};
    u64 table = cpu_.state.cr3 & 0xfffff000;
    for (const Level& level : kLevels)
      if (const Outcome r = step(level, table, out); r != Outcome::Descend) return r;
    return Outcome::Done;
  }

  // One entry: Descend with `table` moved on, or the end of the walk.
  Outcome step(const Level& level, u64& table, Translation& out) {
    const u64 index = (linear_ >> level.shift) & low_mask(level.index_bits);
    const u64 address = table + index * level.entry_size;
    const u64 entry = load_entry(cpu_, address, level.entry_size);
    if (!(entry & kPresent)) return fail(0);
    const bool wide = level.entry_size == 8;
    const bool large = level.may_be_large && (entry & kLarge) && (wide || cpu_.state.cr4 & kCr4Pse);
    const bool leaf = large || level.shift == 12;
    if (wide ? (entry & reserved_bits(level, large)) : (large && (entry & (u64{1} << 21))))
      return fail(kPfPresent | kPfReserved);
    if (steps_) note(level, table);
    path_.writable &= entry;
    path_.user &= entry;
    path_.no_execute |= wide ? entry & kNoExecute : 0;
    if (!leaf) {
      if (!(entry & kAccessed) && !set_entry_bits(cpu_, address, level.entry_size, entry, kAccessed))
        return Outcome::Retry;
      table = wide ? entry & cpu_.physical_mask : entry & 0xfffff000;
      return Outcome::Descend;
    }
    return finish(level, address, entry, out);
  }

  void note(const Level& level, u64 table) {
    steps_->tables[steps_->count++] = {table, level.shift};
    steps_->entry_size = level.entry_size;
    steps_->upper_writable = may_write();
  }

  u64 reserved_bits(const Level& level, bool large) const {
    u64 r = reserved_;
    if (large) r |= low_mask(level.shift) & ~low_mask(13);
    if (!level.may_be_large && level.shift == 39) r |= kLarge;
    return r;
  }

  Outcome finish(const Level& level, u64 address, u64 entry, Translation& out) {
    if (!permitted()) return fail(kPfPresent);
    const u64 wanted = kAccessed | (access_ == Access::Write ? kDirty : 0);
    if ((entry & wanted) != wanted && !set_entry_bits(cpu_, address, level.entry_size, entry, wanted))
      return Outcome::Retry;
    u64 frame = level.entry_size == 8 ? entry & cpu_.physical_mask : entry & 0xfffff000;
    if (level.entry_size == 4 && level.shift == 22)  // PSE-36 (SDM vol. 3, 4.3)
      frame = (entry & 0xffc00000) | ((bits(entry, 20, 13) << 32) & cpu_.physical_mask);
    frame &= ~low_mask(level.shift);
    out.physical = frame | (linear_ & low_mask(level.shift));
    out.writable = may_write() && ((entry | wanted) & kDirty);
    out.user = path_.user;
    out.global = entry & kGlobal;
    out.page_shift = level.shift;
    return Outcome::Done;
  }

  bool may_write() const { return path_.writable || (!user_ && !(cpu_.state.cr0 & kCr0Wp)); }

  // SDM vol. 3, 4.6.1.
  bool permitted() const {
    if (access_ == Access::Fetch) {
      if (path_.no_execute && cpu_.state.efer & kEferNxe) return false;
      return user_ ? path_.user != 0 : !(path_.user && cpu_.state.cr4 & kCr4Smep);
    }
    if (user_ && !path_.user) return false;
    if (smap_ && path_.user) return false;
    return access_ == Access::Read || may_write();
  }

  Cpu& cpu_;
  u64 linear_;
  Access access_;
  WalkPath* steps_;
  bool user_, smap_;
  u64 reserved_ = 0;
  Path path_;
};

}  // namespace

bool translate(Cpu& cpu, u64 linear, Access access, Privilege privilege, Translation& out, WalkPath* path) {
  if (cpu.state.cr0 & kCr0Pg) {
    if (!Walker(cpu, linear, access, privilege, path).run(out)) return false;
  } else {
    if (path) *path = {};
    out = {.physical = static_cast<u32>(linear), .writable = true, .user = true, .global = false};
  }
  if (cpu.state.events.in_smm) [[unlikely]]
    out.physical = raw(smram_view(cpu, out.physical, access));
  return true;
}

Gpa smram_view(const Cpu& cpu, u64 physical, Access access) {
  if (!cpu.state.events.in_smm || physical < mem::kSmramStart || physical >= mem::kSmramEnd)
    return Gpa{physical};
  const mem::Smram view = cpu.memory->smram();
  const bool inside = view == mem::Smram::All || (view == mem::Smram::CodeOnly && access == Access::Fetch);
  return Gpa{inside ? physical | mem::kSmramView : physical};
}

}  // namespace tandem::mmu
