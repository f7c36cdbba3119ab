// Paging structures: SDM vol. 3, chapter 4.
#include "core/debug/address.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::debug {

using namespace cpu;

namespace {

constexpr u64 kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80,
              kGlobal = 0x100;
constexpr u64 kNoExecute = u64{1} << 63;
constexpr u64 kFrame = 0x000f'ffff'ffff'f000;

struct Level {
  unsigned shift, index_bits;
  bool may_be_large;
};

// How linear addresses are taken apart now; the highest level first.
std::span<const Level> levels_of(const CpuState& s) {
  static constexpr Level kLong[] = {{39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}};
  static constexpr Level kPae[] = {{30, 2, false}, {21, 9, true}, {12, 9, false}};
  static constexpr Level kOld[] = {{22, 10, true}, {12, 10, false}};
  if (s.efer & kEferLma) return kLong;
  if (s.cr4 & kCr4Pae) return kPae;
  return kOld;
}

class Tables {
 public:
  Tables(const CpuState& s, const mem::GuestMemory& memory)
      : s_(s),
        memory_(memory),
        levels_(levels_of(s)),
        wide_(s.cr4 & kCr4Pae),
        pae32_(wide_ && !(s.efer & kEferLma)) {}

  // Visits pages at or behind `from`; stops where visit returns false.
  bool walk(u64 from, const std::function<bool(const MappedPage&)>& visit) const {
    const u64 root = wide_ ? s_.cr3 & kFrame : s_.cr3 & 0xfffff000;
    MappedPage all;
    all.writable = all.user = true;
    return walk_table(0, root, all, from, visit);
  }
  std::optional<MappedPage> find(u64 linear) const {
    const u64 root = wide_ ? s_.cr3 & kFrame : s_.cr3 & 0xfffff000;
    MappedPage page;
    page.writable = page.user = true;
    u64 table = root;
    for (unsigned n = 0; n < levels_.size(); ++n) {
      const u64 index = linear >> levels_[n].shift & low_mask(levels_[n].index_bits);
      const std::optional<u64> entry = load(n, table, index);
      if (!entry) return std::nullopt;
      page.linear = linear & ~low_mask(levels_[n].shift);
      if (apply(n, *entry, page)) return page;
      table = next_table(*entry);
    }
    return std::nullopt;
  }

 private:
  std::optional<u64> load(unsigned n, u64 table, u64 index) const {
    if (pae32_ && n == 0) return present(s_.pdpte[index]);
    const Gpa at{table + index * (wide_ ? 8 : 4)};
    if (!memory_.host(at)) return std::nullopt;
    return present(wide_ ? memory_.read_value<u64>(at) : memory_.read_value<u32>(at));
  }
  static std::optional<u64> present(u64 entry) {
    return entry & kPresent ? std::optional(entry) : std::nullopt;
  }
  u64 next_table(u64 entry) const { return wide_ ? entry & kFrame : entry & 0xfffff000; }

  // Takes what the entry says into `page`. True: it maps one.
  bool apply(unsigned n, u64 entry, MappedPage& page) const {
    const Level& level = levels_[n];
    if (!(pae32_ && n == 0)) {  // PDPTEs have no rights
      page.writable &= (entry & kWrite) != 0;
      page.user &= (entry & kUser) != 0;
    }
    if (wide_ && (entry & kNoExecute) && (s_.efer & kEferNxe)) page.executable = false;
    const bool large = level.may_be_large && (entry & kLarge) && (wide_ || (s_.cr4 & kCr4Pse));
    if (level.shift != 12 && !large) return false;
    page.size = u64{1} << level.shift;
    u64 frame = next_table(entry);
    if (!wide_ && large) frame = (entry & 0xffc00000) | bits(entry, 20, 13) << 32;  // PSE-36
    page.physical = frame & ~(page.size - 1);
    page.global = entry & kGlobal;
    page.accessed = entry & kAccessed;
    page.dirty = entry & kDirty;
    return true;
  }

  bool walk_table(unsigned n, u64 table, const MappedPage& above, u64 from,
                  const std::function<bool(const MappedPage&)>& visit) const {
    const Level& level = levels_[n];
    for (u64 index = 0; index <= low_mask(level.index_bits); ++index) {
      MappedPage page = above;
      page.linear = above.linear | index << level.shift;
      if (n == 0 && level.shift == 39) page.linear = sign_extend_from(page.linear, 48);
      const std::optional<u64> entry = load(n, table, index);
      if (!entry || (page.linear | low_mask(level.shift)) < from) continue;
      const bool maps = apply(n, *entry, page);
      if (!(maps ? visit(page) : walk_table(n + 1, next_table(*entry), page, from, visit))) return false;
    }
    return true;
  }

  const CpuState& s_;
  const mem::GuestMemory& memory_;
  std::span<const Level> levels_;
  bool wide_, pae32_;
};

bool is_64bit(const CpuState& s) { return (s.efer & kEferLma) && s.segments[kCs].l; }

}  // namespace

std::optional<MappedPage> find_page(const CpuState& s, const mem::GuestMemory& memory, u64 linear) {
  if (!(s.efer & kEferLma)) linear = static_cast<u32>(linear);
  else if (sign_extend_from(linear, 48) != linear) return std::nullopt;
  if (s.cr0 & kCr0Pg) return Tables(s, memory).find(linear);
  const u64 page = linear & ~kPageMask;
  return MappedPage{.linear = page, .physical = page, .size = kPageSize, .writable = true, .user = true};
}

void for_each_page(const CpuState& s, const mem::GuestMemory& memory,
                   const std::function<bool(const MappedPage&)>& visit) {
  if (s.cr0 & kCr0Pg) Tables(s, memory).walk(0, visit);
}

u64 linear_pc(const CpuState& s) {
  return is_64bit(s) ? s.rip : static_cast<u32>(s.segments[kCs].base + s.rip);
}

u64 rip_of_linear(const CpuState& s, u64 linear) {
  if (is_64bit(s)) return linear;
  return static_cast<u32>(linear - s.segments[kCs].base);
}

std::optional<Gpa> Memory::find(u64 address) const {
  u64 physical = address;
  if (!physical_) {
    const std::optional<MappedPage> page = find_page(state_, memory_, address);
    if (!page) return std::nullopt;
    physical = page->physical + (address & (page->size - 1));
  }
  const bool smram = state_.events.in_smm && memory_.smram() != mem::Smram::Off &&
                     physical >= mem::kSmramStart && physical < mem::kSmramEnd;
  const Gpa gpa{smram ? physical | mem::kSmramView : physical};
  return memory_.host(gpa) ? std::optional(gpa) : std::nullopt;
}

std::size_t Memory::read(u64 address, std::span<u8> to) const {
  std::size_t done = 0;
  while (done < to.size()) {
    const u64 at = address + done;
    const std::optional<Gpa> gpa = find(at);
    const std::size_t n = std::min<u64>(to.size() - done, kPageSize - (at & kPageMask));
    if (!gpa || !memory_.read(*gpa, to.subspan(done, n))) break;
    done += n;
  }
  return done;
}

std::size_t Memory::write(u64 address, std::span<const u8> from) const {
  std::size_t done = 0;
  while (done < from.size()) {
    const u64 at = address + done;
    const std::optional<Gpa> gpa = find(at);
    const std::size_t n = std::min<u64>(from.size() - done, kPageSize - (at & kPageMask));
    if (!gpa) break;
    u8* const to = memory_.host(*gpa);
    std::copy_n(from.begin() + static_cast<i64>(done), n, to);
    memory_.written_at(static_cast<u64>(to - memory_.base()), n);
    done += n;
  }
  return done;
}

}  // namespace tandem::debug
