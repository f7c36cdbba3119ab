#include "jit/hosted/spaces.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::jit {

using interp::Context;

namespace {

constexpr u64 kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kNoExecute = u64{1} << 63;

u64 entries_of(unsigned entry_size) { return kPageSize / entry_size; }

u64 load_entry(const u8* table, u64 index, unsigned entry_size) {
  // SAFETY: an aligned entry within a page of guest RAM, which other vCPUs may change meanwhile.
  return entry_size == 8 ? __atomic_load_n(reinterpret_cast<const u64*>(table) + index, __ATOMIC_RELAXED)
                         : __atomic_load_n(reinterpret_cast<const u32*>(table) + index, __ATOMIC_RELAXED);
}

}  // namespace

HostedSpaces::~HostedSpaces() = default;

HostedSpaces::Key HostedSpaces::key_of(const Context& c) {
  const cpu::CpuState& s = c.state;
  Key key;
  if (s.cr0 & cpu::kCr0Pg) key.root = s.cr3 & c.physical_mask;
  key.modes = (s.cr0 & (cpu::kCr0Pg | cpu::kCr0Wp)) | (s.cr4 & (cpu::kCr4Pae | cpu::kCr4Pse)) << 32 |
              u64{c.mode.long_mode} << 62 | u64{static_cast<u8>(c.privilege)} << 60;
  if (key.root && s.cr4 & cpu::kCr4Pae && !c.mode.long_mode) std::ranges::copy(s.pdpte, key.pdpte.begin());
  return key;
}

// Watched addresses and what SMM sees are not for mappings that know nothing of them.
bool HostedSpaces::is_possible(const Context& c) const {
  return options_.on && (c.mode.cpl == 3 || options_.supervisor) && !c.watch.points &&
         !(c.state.dr[7] & 0xff) && !c.state.events.in_smm &&
         c.bank == &c.tlb.banks[static_cast<unsigned>(c.privilege)];
}

HostedSpaces::Process& HostedSpaces::find(const Key& key) {
  const auto has_key = [&](const auto& p) { return p->key == key; };
  if (const auto it = std::ranges::find_if(processes_, has_key); it != processes_.end()) return **it;
  if (processes_.size() == kMostProcesses) {
    const auto oldest = std::ranges::min_element(processes_, {}, [](const auto& p) { return p->used; });
    give_up(**oldest);
    processes_.erase(oldest);
  }
  return *processes_.emplace_back(new Process{key, HostedAccount(options_.after), nullptr, 0});
}

bool HostedSpaces::enter(Context& c) {
  if (!is_possible(c)) {
    present_ = nullptr;
    return active_ = false;
  }
  if (lost_) {
    for (const auto& p : processes_) give_up(*p);
    lost_ = false;
  }
  Process& p = find(key_of(c));
  present_ = &p;
  p.used = ++clock_;
  if (p.space && !p.account.is_worth_it()) {
    p.account.gave_up();
    give_up(p);
    ++figures_.given_up;
  }
  if (!p.space && p.account.is_worth_it()) take_up(c, p);
  active_ = p.space != nullptr;
  if (!active_) return false;
  settle(p);
  std::ranges::copy(p.space->regions(), c.tier.regions);
  return true;
}

void HostedSpaces::take_up(Context& c, Process& p) {
  const auto is_hosted = [](const auto& other) { return other->space != nullptr; };
  if (std::ranges::count_if(processes_, is_hosted) == kMostSpaces) {
    const auto age = [](const auto& other) { return other->space ? other->used : ~u64{0}; };
    give_up(**std::ranges::min_element(processes_, {}, age));
  }
  p.space = std::make_unique<HostedSpace>(c.memory->fd());
  if (!p.space->set_up(c.state.gpr[cpu::kRsp])) p.space.reset();
  else ++figures_.spaces;
}

void HostedSpaces::give_up(Process& p) {
  if (!p.space) return;
  for (auto it = tables_.begin(); it != tables_.end();) {
    std::erase_if(it->second, [&](const TableUse& use) { return use.process == &p; });
    it = it->second.empty() ? tables_.erase(it) : std::next(it);
  }
  p.space.reset();
}

void HostedSpaces::settle(Process& p) {
  const u32 calls = p.space->settle();
  if (!calls) return;
  p.account.called(calls, 0);
  figures_.calls += calls;
}

std::optional<u8> HostedSpaces::region_for(Context& c, u64 linear) {
  const std::optional<u8> slot = present_->space->region_for(linear);
  std::ranges::copy(present_->space->regions(), c.tier.regions);
  return slot;
}

bool HostedSpaces::assign(Context& c, u8 slot, u64 linear) {
  const bool done = present_->space->assign(slot, linear);
  std::ranges::copy(present_->space->regions(), c.tier.regions);
  return done;
}

bool HostedSpaces::refused(Context& c, u64 host, bool write) {
  faulted();
  if (!active_) return false;
  const std::optional<u64> linear = present_->space->linear_of(host);
  return linear && map_around(c, *linear & ~kPageMask, write);
}

bool HostedSpaces::map_around(Context& c, u64 linear, bool write) {
  const mmu::Access access = write ? mmu::Access::Write : mmu::Access::Read;
  const cpu::GuestFault before = c.fault;
  mmu::Translation t;
  mmu::WalkPath path;
  // Until all tables had been marked before: what was written to them earlier was told to nobody.
  Tracked tracked = Tracked::Added;
  while (tracked == Tracked::Added && mmu::translate(c, linear, access, c.privilege, t, &path))
    tracked = track(c, path, linear);
  c.fault = before;
  if (tracked != Tracked::Known) return false;
  find_runs(c, t, path, linear);
  HostedSpace& space = *present_->space;
  bool there = false;
  for (const PageRun& run : runs_) {
    if (!space.map(run)) return false;
    ++figures_.maps;
    figures_.pages += run.pages;
    present_->account.called(1, run.pages);
    there |= linear - run.linear < run.pages * kPageSize && (run.writable || !write);
  }
  u64 pieces = 0;
  for (const auto& p : processes_) pieces += p->space ? p->space->pieces() : 0;
  if (pieces > kMostPieces)
    for (const auto& p : processes_)
      if (p->space) p->space->drop_all();
  return there;
}

// Marks the tables of a walk, so that writes to them are told.
HostedSpaces::Tracked HostedSpaces::track(Context& c, const mmu::WalkPath& path, u64 linear) {
  Tracked tracked = Tracked::Known;
  for (unsigned i = 0; i < path.count; ++i) {
    const u64 physical = path.tables[i].physical;
    const u64 span = entries_of(path.entry_size) << path.tables[i].shift;
    const TableUse use{present_, align_down(linear, span) >> kPageShift, path.tables[i].shift,
                       path.entry_size};
    std::vector<TableUse>& uses = tables_[physical >> kPageShift];
    const auto same = [&](const TableUse& u) {
      return u.process == use.process && u.first_page == use.first_page;
    };
    if (std::ranges::any_of(uses, same)) continue;
    const u8* host = c.memory->host(Gpa{physical});
    if (!host || host != c.memory->host_for_write(Gpa{physical})) return Tracked::Impossible;
    uses.push_back(use);
    c.memory->add_code_page(static_cast<u64>(host - c.memory->base()) >> kPageShift, *c.listener);
    tracked = Tracked::Added;
  }
  return tracked;
}

// The page at linear, and those around it that are used and lead to memory in the same way.
void HostedSpaces::find_runs(Context& c, const mmu::Translation& t, const mmu::WalkPath& path, u64 linear) {
  runs_.clear();
  const u64 first = align_down(linear, kAround * kPageSize);
  if (path.count == 0 || t.page_shift != kPageShift) {
    const u64 physical = (t.physical & ~kPageMask) - (linear - first);
    for (u64 i = 0; i < kAround; ++i)
      add_page(c, {first + i * kPageSize, first + i * kPageSize == linear}, physical + i * kPageSize,
               t.writable);
    return;
  }
  const u8* table = c.memory->host(Gpa{path.tables[path.count - 1].physical});
  const u64 in_table = entries_of(path.entry_size) - 1;
  const u64 frame = path.entry_size == 8 ? c.physical_mask : 0xfffff000;
  const u64 own = load_entry(table, linear >> kPageShift & in_table, path.entry_size);
  for (u64 i = 0; i < kAround; ++i) {
    const u64 at = first + i * kPageSize;
    const u64 entry = load_entry(table, at >> kPageShift & in_table, path.entry_size);
    const bool used = (entry & (kPresent | kAccessed)) == (kPresent | kAccessed);
    const bool alike = !((entry ^ own) & (~(frame | kPageMask | kNoExecute) | kUser));
    if (used && alike)
      add_page(c, {at, at == linear}, entry & frame,
               path.upper_writable && (entry & (kWrite | kDirty)) == (kWrite | kDirty));
    else if (at == linear) return;  // it has changed meanwhile
  }
}

void HostedSpaces::add_page(Context& c, const Wanted& wanted, u64 physical, bool writable) {
  const u64 linear = wanted.linear;
  const u8* host = c.memory->host(Gpa{physical});
  if (!host || (!wanted.really && present_->space->maps(linear >> kPageShift))) return;
  const u64 offset = static_cast<u64>(host - c.memory->base());
  const u64 page = offset >> kPageShift;
  mem::PageMarks& marks = c.memory->marks();
  if (offset >= c.memory->size() || marks.get(page) & mem::kWatched) return;
  writable &= host == c.memory->host_for_write(Gpa{physical}) && !(marks.get(page) & mem::kHoldsCode);
  if (writable) marks.set(page, mem::kDirty);
  if (!runs_.empty()) {
    PageRun& last = runs_.back();
    const u64 bytes = last.pages * kPageSize;
    if (last.linear + bytes == linear && last.offset + bytes == offset && last.writable == writable) {
      ++last.pages;
      return;
    }
  }
  runs_.push_back({linear, offset, 1, writable});
}

bool HostedSpaces::written(u64 physical, u64 length) {
  const auto it = tables_.find(physical >> kPageShift);
  if (it == tables_.end()) return false;
  ++figures_.table_writes;
  std::erase_if(it->second, [&](const TableUse& use) {
    use.process->account.wrote_table();
    drop_behind(use, physical, length);
    return !use.process->space->maps_any(use.first_page,
                                         entries_of(use.entry_size) << use.shift >> kPageShift);
  });
  if (!it->second.empty()) return true;
  tables_.erase(it);
  return false;
}

// All pages that the bytes, within one page, have led to.
void HostedSpaces::drop_behind(const TableUse& use, u64 physical, u64 length) {
  const u64 first = (physical & kPageMask) / use.entry_size;
  const u64 last = ((physical & kPageMask) + length - 1) / use.entry_size;
  const unsigned pages_shift = use.shift - kPageShift;
  use.process->space->drop(use.first_page + (first << pages_shift), (last - first + 1) << pages_shift);
}

void HostedSpaces::protect(u64 page) {
  for (const auto& p : processes_)
    if (p->space) p->space->protect(page);
}

}  // namespace tandem::jit
