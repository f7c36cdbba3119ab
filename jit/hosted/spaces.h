// The hosted address spaces of one vCPU: which the present one is, which pages its code may reach by the
// host's own mappings, and what takes them away.
//
// The paging structures that lead to a mapped page are marked as if they held code, so that each write to
// them is told, by whichever vCPU or device. A mapping is thus never older than a TLB entry may be, and
// neither INVLPG nor a load of CR3 has anything to do.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/interp/context.h"
#include "core/mmu/walk.h"
#include "jit/hosted/policy.h"
#include "jit/hosted/space.h"

namespace tandem::jit {

struct HostedOptions {
  bool on = true;
  bool supervisor = false;  // code of all privileges, not only CPL 3: for tests
  u64 after = 50'000'000;   // instructions of an address space before it is hosted
};

class HostedSpaces {
 public:
  explicit HostedSpaces(HostedOptions options) : options_(options) {}
  ~HostedSpaces();

  // Between two instructions, before translated code runs: takes up the address space of the CPU's state.
  // Returns whether it is hosted.
  bool enter(interp::Context& c);
  // Takes away at once what the present one lost since.
  void settle() {
    if (active_) settle(*present_);
  }
  // Instructions that ran since then.
  void ran(u64 instructions) {
    if (present_) present_->account.ran(instructions);
  }
  bool active() const { return active_; }
  u64 gs_base() const { return present_->space->gs_base(); }  // while it is active

  // Of the present one: see HostedSpace.
  std::optional<u8> region_for(interp::Context& c, u64 linear);
  bool assign(interp::Context& c, u8 slot, u64 linear);

  // The host refused an access there, which the interpreter has made since. False: that address is better
  // accessed otherwise.
  bool refused(interp::Context& c, u64 host, bool write);
  // The same, but the guest's own tables refused it, too.
  void took(u64 ns) {
    if (present_) present_->account.took(ns);
  }
  void faulted() {
    if (present_) present_->account.faulted();
    ++figures_.faults;
  }

  // See UpperTier.
  bool written(u64 physical, u64 length);
  void protect(u64 page);
  void forget_mappings() { lost_ = true; }

  struct Figures {
    u64 spaces = 0, given_up = 0, faults = 0, maps = 0, pages = 0, calls = 0, table_writes = 0;
  };
  const Figures& figures() const { return figures_; }

 private:
  // What besides memory decides how addresses are translated.
  struct Key {
    u64 root = 0, modes = 0;
    std::array<u64, 4> pdpte{};
    bool operator==(const Key&) const = default;
  };
  struct Process {
    Key key;
    HostedAccount account;
    std::unique_ptr<HostedSpace> space;
    u64 used = 0;  // when
  };
  // What a page of paging structures is for.
  struct TableUse {
    Process* process;
    u64 first_page;  // linear, that its first entry leads to
    unsigned shift;  // linear address bits below its index
    unsigned entry_size;
  };

  enum class Tracked : u8 { Known, Added, Impossible };
  // A page to be mapped: because it was asked for, or because it is a neighbour.
  struct Wanted {
    u64 linear;
    bool really;
  };

  static Key key_of(const interp::Context& c);
  bool is_possible(const interp::Context& c) const;
  Process& find(const Key& key);
  void take_up(interp::Context& c, Process& p);
  void give_up(Process& p);
  void settle(Process& p);
  bool map_around(interp::Context& c, u64 linear, bool write);
  Tracked track(interp::Context& c, const mmu::WalkPath& path, u64 linear);
  void find_runs(interp::Context& c, const mmu::Translation& t, const mmu::WalkPath& path, u64 linear);
  void add_page(interp::Context& c, const Wanted& wanted, u64 physical, bool writable);
  void drop_behind(const TableUse& use, u64 physical, u64 length);

  static constexpr std::size_t kMostProcesses = 64, kMostSpaces = 8;
  static constexpr u64 kMostPieces = 12'000;  // of about 65,000 mappings that a Linux process may have
  static constexpr u64 kAround = 16;          // pages looked at together

  HostedOptions options_;
  std::vector<std::unique_ptr<Process>> processes_;
  Process* present_ = nullptr;
  bool active_ = false, lost_ = false;
  u64 clock_ = 0;
  std::unordered_map<u64, std::vector<TableUse>> tables_;  // by physical page
  std::vector<PageRun> runs_;
  Figures figures_;
};

}  // namespace tandem::jit
