// What a machine saves: CPUs, clock, memory (pages that are not all zero).
#include <fmt/format.h>

#include <algorithm>

#include "core/machine/machine.h"
#include "core/snapshot/cpu_archive.h"

namespace tandem::machine {

namespace {

constexpr u32 kVersion = 1;

bool all_zero(std::span<const u8> page) {
  return std::all_of(page.begin(), page.end(), [](u8 b) { return b == 0; });
}

void save_memory(snapshot::StateWriter& w, const mem::GuestMemory& memory) {
  w.begin_section("ram", kVersion);
  w(memory.allocated());
  const u64 pages = memory.allocated() / kPageSize;
  for (u64 page = 0; page < pages; ++page) {
    const std::span<const u8> bytes(memory.base() + page * kPageSize, kPageSize);
    if (all_zero(bytes)) continue;
    w(page);
    w.bytes(bytes);
  }
  w(~u64{0});
  w.end_section();
}

Result<void> load_memory(snapshot::StateReader& r, mem::GuestMemory& memory) {
  TANDEM_TRY(r.begin_section("ram", kVersion));
  u64 size = 0;
  r(size);
  if (size != memory.allocated())
    return user_error("the snapshot is of a machine with another amount of memory");
  const u64 pages = size / kPageSize;
  std::fill_n(memory.base(), size, u8{0});
  for (;;) {
    u64 page = 0;
    r(page);
    if (page >= pages) {
      r.check(page == ~u64{0}, "a page number");
      break;
    }
    r.bytes({memory.base() + page * kPageSize, kPageSize});
    if (r.failed()) break;
  }
  memory.written_at(0, size);
  return r.end_section();
}

}  // namespace

Result<void> Machine::save(snapshot::StateWriter& w) {
  w.begin_section("machine", kVersion);
  w(vcpu_count(), raw(clock_->now()), clock_->tsc());
  w.end_section();
  for (u32 i = 0; i < vcpu_count(); ++i) {
    cpu::CpuState state;
    TANDEM_TRY(export_cpu(i, state));
    save_cpu(w, fmt::format("cpu{}", i), state);
  }
  save_memory(w, *memory_);
  return {};
}

Result<void> Machine::load(snapshot::StateReader& r) {
  TANDEM_TRY(r.begin_section("machine", kVersion));
  u32 count = 0;
  i64 now = 0;
  u64 tsc = 0;
  r(count, now, tsc);
  r.check(now >= 0, "the time");
  TANDEM_TRY(r.end_section());
  if (count != vcpu_count()) return user_error("the snapshot is of a machine with another number of vCPUs");
  std::vector<cpu::CpuState> states(count);
  for (u32 i = 0; i < count; ++i) TANDEM_TRY(load_cpu(r, fmt::format("cpu{}", i), states[i]));
  TANDEM_TRY(load_memory(r, *memory_));
  if (host_clock_) host_clock_->set(GuestNs{now}, tsc);
  if (counted_clock_) counted_clock_->set(GuestNs{now});
  for (u32 i = 0; i < count; ++i) TANDEM_TRY(import_cpu(i, states[i]));
  return {};
}

}  // namespace tandem::machine
