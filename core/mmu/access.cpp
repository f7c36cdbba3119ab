#include "core/mmu/access.h"

#include <algorithm>

#include "core/bus/pieces.h"
#include "core/mmu/walk.h"

namespace tandem::mmu {

using namespace cpu;

namespace {

u64 wrap(const Cpu& cpu, u64 linear) { return cpu.mode.long_mode ? linear : static_cast<u32>(linear); }

// Do data breakpoints lie in this page? Then it stays out of the TLB (SDM vol. 3, 17.2.4).
bool has_data_breakpoint(const Cpu& cpu, u64 linear) {
  const u64 dr7 = cpu.state.dr[7];
  if (!(dr7 & 0xff)) return false;
  for (unsigned i = 0; i < 4; ++i)
    if ((dr7 >> (2 * i) & 3) && bits(dr7, 17 + 4 * i, 16 + 4 * i) != 0 &&
        (cpu.state.dr[i] ^ linear) < kPageSize)
      return true;
  return false;
}

void match_data_breakpoints(Cpu& cpu, u64 linear, unsigned size, bool write) {
  const u64 dr7 = cpu.state.dr[7];
  if (!(dr7 & 0xff)) return;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned rw = static_cast<unsigned>(bits(dr7, 17 + 4 * i, 16 + 4 * i));
    if (!(dr7 >> (2 * i) & 3) || rw == 0 || rw == 2 || (rw == 1 && !write)) continue;
    static constexpr unsigned kLengths[] = {1, 2, 8, 4};
    const unsigned length = kLengths[bits(dr7, 19 + 4 * i, 18 + 4 * i)];
    const u64 start = cpu.state.dr[i] & ~u64{length - 1};
    if (linear < start + length && start < linear + size) cpu.state.events.debug_traps |= u64{1} << i;
  }
}

// Does the access touch what a debugger watches? Then it is refused.
bool is_watched(Cpu& cpu, u64 linear, unsigned size, bool write) {
  Watch& w = cpu.watch;
  if (!w.points || !w.on) [[likely]]
    return false;
  const Watchpoint* hit = w.points->hit(linear, size, write);
  if (!hit) return false;
  w.was_hit = true;
  w.hit = {DebugHit::Kind::Watchpoint, hit->start, hit->kind};
  return true;
}

// A piece of an access inside one page: either host memory or an MMIO address.
struct Piece {
  u64 linear = 0;
  u64 physical = 0;
  unsigned size = 0;
  u8* host = nullptr;
  bool hit = false;  // found in the soft TLB: physical is not known, and a write needs to be told to nobody
};

// What the soft TLB knows of this page. An entry for writes says that the page is marked dirty and holds no
// code.
bool find_hit(const Cpu& cpu, u64 linear, unsigned size, Access access, Privilege privilege, Piece& out) {
  if (privilege != cpu.privilege) return false;
  u8* host = hit_page(access == Access::Write ? cpu.bank->write : cpu.bank->read, linear);
  if (host) out = {linear, 0, size, host, true};
  return host;
}

bool locate(Cpu& cpu, u64 linear, unsigned size, Access access, Privilege privilege, Piece& out) {
  Translation t;
  if (!translate(cpu, linear, access, privilege, t)) return false;
  const Gpa physical{t.physical};
  u8* const read = cpu.memory->host(physical);
  out = {linear, t.physical, size, access == Access::Write ? cpu.memory->host_for_write(physical) : read,
         false};
  // Where writes go elsewhere than reads come from (ROM, shadow RAM), there are no write entries.
  if (!out.host || !read || (access == Access::Write && out.host != read)) return true;
  const u64 page = static_cast<u64>(out.host - cpu.memory->base()) >> kPageShift;
  const u8 marks = cpu.memory->marks().get(page);
  if (marks & mem::kWatched || has_data_breakpoint(cpu, linear)) return true;
  if (cpu.watch.points && cpu.watch.points->watches_page(linear)) return true;
  const u64 addend = reinterpret_cast<u64>(out.host) - linear;
  cpu.tlb.fill(privilege, linear, addend, false, t.global, t.page_shift);
  if (access != Access::Write || !t.writable) return true;
  const u64 end = marks & mem::kHoldsCode ? cpu.memory->marks().code_from(page) : kPageSize;
  if ((linear & kPageMask) + size > end) return true;
  cpu.memory->marks().set(page, mem::kDirty);
  cpu.tlb.fill(privilege, linear, addend, true, t.global, t.page_shift, end);
  return true;
}

void mmio(Cpu& cpu, bus::IoDir dir, u64 physical, u8* data, unsigned size) {
  bus::mmio_in_pieces(cpu.id, dir, physical, data, size, [&](bus::IoAccess& io) { cpu.sink->io(io); });
}

void load(Cpu& cpu, const Piece& p, u8* to) {
  if (p.host) std::memcpy(to, p.host, p.size);
  else mmio(cpu, bus::IoDir::Read, p.physical, to, p.size);
}

void store(Cpu& cpu, const Piece& p, const u8* from) {
  if (p.host) {
    // One store for the sizes that other vCPUs may rely on to be atomic.
    switch (p.size) {
      case 1: *p.host = *from; break;
      case 2: store_le(p.host, load_le<u16>(from)); break;
      case 4: store_le(p.host, load_le<u32>(from)); break;
      case 8: store_le(p.host, load_le<u64>(from)); break;
      default: std::memcpy(p.host, from, p.size);
    }
    if (!p.hit) cpu.memory->written(Gpa{p.physical}, p.size);
  } else {
    mmio(cpu, bus::IoDir::Write, p.physical, const_cast<u8*>(from), p.size);
  }
}

bool locate_all(Cpu& cpu, u64 linear, unsigned size, Access access, Privilege privilege, Piece (&pieces)[2],
                unsigned& count) {
  count = 0;
  for (unsigned done = 0; done < size;) {
    const u64 at = wrap(cpu, linear + done);
    const unsigned n = static_cast<unsigned>(std::min<u64>(size - done, kPageSize - (at & kPageMask)));
    if (!find_hit(cpu, at, n, access, privilege, pieces[count]) &&
        !locate(cpu, at, n, access, privilege, pieces[count]))
      return false;
    ++count;
    done += n;
  }
  return true;
}

bool misaligned(Cpu& cpu, u64 linear, unsigned size) {
  if (!cpu.alignment_checks || size > 8 || (linear & (size - 1)) == 0 || (size & (size - 1))) return false;
  cpu.fault = fault(kAlignmentCheck, 0);
  return true;
}

bool transfer_read(Cpu& cpu, u64 linear, u8* to, unsigned size, Privilege privilege) {
  // An access spans at most two pages; longer ones (XSAVE) go page by page.
  while (size) {
    const unsigned n = static_cast<unsigned>(std::min<u64>(size, 2 * kPageSize - (linear & kPageMask)));
    Piece pieces[2];
    unsigned count;
    if (!locate_all(cpu, linear, n, Access::Read, privilege, pieces, count)) return false;
    for (unsigned i = 0; i < count; to += pieces[i].size, ++i) load(cpu, pieces[i], to);
    linear = wrap(cpu, linear + n);
    size -= n;
  }
  return true;
}

bool transfer_write(Cpu& cpu, u64 linear, const u8* from, unsigned size, Privilege privilege) {
  Piece pieces[2];
  unsigned count;
  if (!locate_all(cpu, linear, size, Access::Write, privilege, pieces, count)) return false;
  for (unsigned i = 0; i < count; from += pieces[i].size, ++i) store(cpu, pieces[i], from);
  return true;
}

}  // namespace

bool read_slow(Cpu& cpu, u64 linear, void* to, unsigned size) {
  linear = wrap(cpu, linear);
  if (misaligned(cpu, linear, size) || is_watched(cpu, linear, size, false)) return false;
  if (!transfer_read(cpu, linear, static_cast<u8*>(to), size, cpu.privilege)) return false;
  match_data_breakpoints(cpu, linear, size, false);
  return true;
}

bool write_slow(Cpu& cpu, u64 linear, const void* from, unsigned size) {
  linear = wrap(cpu, linear);
  if (misaligned(cpu, linear, size) || is_watched(cpu, linear, size, true)) return false;
  if (size > kPageSize) {
    if (!probe_write(cpu, linear, size)) return false;
    const u8* p = static_cast<const u8*>(from);
    for (unsigned done = 0; done < size;) {
      const unsigned n = static_cast<unsigned>(std::min<u64>(size - done, kPageSize));
      if (!transfer_write(cpu, wrap(cpu, linear + done), p + done, n, cpu.privilege)) return false;
      done += n;
    }
  } else if (!transfer_write(cpu, linear, static_cast<const u8*>(from), size, cpu.privilege)) {
    return false;
  }
  match_data_breakpoints(cpu, linear, size, true);
  return true;
}

bool host_span(Cpu& cpu, u64 linear, unsigned size, Access access, u8*& host) {
  host = nullptr;
  linear = wrap(cpu, linear);
  if (misaligned(cpu, linear, size)) return false;
  if ((linear & kPageMask) + size > kPageSize) return true;
  TlbEntry* table = access == Access::Write ? cpu.bank->write : cpu.bank->read;
  const TlbEntry& e = table[tlb_index(linear)];
  if (e.tag != (linear & ~kPageMask)) {
    Piece p;
    if (!locate(cpu, linear, size, access, cpu.privilege, p)) return false;
    if (e.tag != (linear & ~kPageMask)) return true;
  }
  host = reinterpret_cast<u8*>(linear + e.addend);
  return true;
}

bool host_for_read(Cpu& cpu, u64 linear, unsigned size, const u8*& host) {
  u8* p;
  const bool ok = host_span(cpu, linear, size, Access::Read, p);
  host = p;
  return ok;
}

bool host_for_write(Cpu& cpu, u64 linear, unsigned size, u8*& host) {
  return host_span(cpu, linear, size, Access::Write, host);
}

bool probe_write(Cpu& cpu, u64 linear, unsigned size) {
  linear = wrap(cpu, linear);
  if (misaligned(cpu, linear, size) || is_watched(cpu, linear, size, true)) return false;
  for (unsigned done = 0; done < size;) {
    const u64 at = wrap(cpu, linear + done);
    Piece p;
    if (!find_hit(cpu, at, 1, Access::Write, cpu.privilege, p) &&
        !locate(cpu, at, 1, Access::Write, cpu.privilege, p))
      return false;
    done += static_cast<unsigned>(kPageSize - (at & kPageMask));
  }
  return true;
}

bool locate_update(Cpu& cpu, u64 linear, unsigned size, UpdateTarget& out) {
  linear = wrap(cpu, linear);
  if (is_watched(cpu, linear, size, true)) return false;
  if ((linear & kPageMask) + size > kPageSize) return probe_write(cpu, linear, size);
  if (misaligned(cpu, linear, size)) return false;
  Piece p;
  if (!locate(cpu, linear, size, Access::Write, cpu.privilege, p)) return false;
  out = {p.host == cpu.memory->host(Gpa{p.physical}) ? p.host : nullptr, p.physical, linear, size};
  return true;
}

void finish_update(Cpu& cpu, const UpdateTarget& target) {
  cpu.memory->written(Gpa{target.physical}, target.size);
  match_data_breakpoints(cpu, target.linear, target.size, true);
}

// Implicit supervisor accesses never profit from EFLAGS.AC (SDM vol. 3, 4.6.1).
static Privilege system_privilege(const Cpu& cpu) {
  return cpu.state.cr4 & kCr4Smap ? Privilege::SupervisorSmap : Privilege::Supervisor;
}

bool read_system(Cpu& cpu, u64 linear, void* to, unsigned size) {
  return transfer_read(cpu, wrap(cpu, linear), static_cast<u8*>(to), size, system_privilege(cpu));
}

bool write_system(Cpu& cpu, u64 linear, const void* from, unsigned size) {
  return transfer_write(cpu, wrap(cpu, linear), static_cast<const u8*>(from), size, system_privilege(cpu));
}

bool translate_fetch(Cpu& cpu, u64 linear, Gpa& physical, bool* global) {
  Translation t;
  const Privilege p = cpu.mode.cpl == 3 ? Privilege::User : Privilege::Supervisor;
  if (!translate(cpu, wrap(cpu, linear), Access::Fetch, p, t)) return false;
  physical = Gpa{t.physical};
  if (global) *global = t.global;
  return true;
}

void flush_all(Cpu& cpu) {
  cpu.tlb.flush();
  cpu.code_pages.clear();
  ++cpu.mapping_generation;
  ++cpu.global_generation;
}

void flush_local(Cpu& cpu) {
  // Without PGE no page is global (SDM vol. 3, 4.10.2.4).
  if (!(cpu.state.cr4 & kCr4Pge)) return flush_all(cpu);
  cpu.tlb.flush_local();
  cpu.code_pages.clear_local();
  ++cpu.mapping_generation;
}

void flush_page(Cpu& cpu, u64 linear) {
  ++cpu.flushed_pages;
  if (cpu.tlb.may_be_in_large_page(linear)) return flush_all(cpu);
  cpu.tlb.flush_page(linear);
  if (!cpu.code_pages.may_contain(linear)) return;
  cpu.last_dropped[cpu.dropped_pages++ % cpu.last_dropped.size()] = linear & ~kPageMask;
}

}  // namespace tandem::mmu
