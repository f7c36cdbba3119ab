// One address space of the guest in the host's: windows for the regions that its code uses, and which pages
// are mapped there. What it maps is right until drop() or protect() says otherwise; those take effect at
// settle().
#pragma once

#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "jit/hosted/window.h"

namespace tandem::jit {

// Pages that lie one behind the other in both address spaces.
struct PageRun {
  u64 linear = 0;  // of the first byte
  u64 offset = 0;  // of the same in the memfd
  u64 pages = 0;
  bool writable = false;
};

class HostedSpace {
 public:
  using Regions = std::array<interp::TierFrame::Region, interp::TierFrame::kRegions>;

  explicit HostedSpace(int memory) : memory_(memory) {}

  // Before all else. linear: the stack, and so of the part of the address space that is to be reached by GS.
  // False: the host has no room.
  bool set_up(u64 linear);

  const Regions& regions() const { return regions_; }
  u64 gs_base() const { return gs_base_; }
  // The region that holds the address, by GS if it can be; the next free one where none does, but for region
  // 0, which is kept for the lowest addresses and 32-bit code. Nothing: none is free, or the host has no
  // room.
  std::optional<u8> region_for(u64 linear);
  // Gives region `slot` to the address if it has none.
  bool assign(u8 slot, u64 linear);
  // The guest's address for a host address in a window.
  std::optional<u64> linear_of(u64 host) const;

  // False: the host refused.
  bool map(const PageRun& run);
  bool maps(u64 linear_page) const { return pages_.contains(linear_page); }
  bool maps_any(u64 first_page, u64 count) const;
  void drop(u64 first_page, u64 count);
  void drop_all();
  // Page `page` of the memfd is no longer to be written here.
  void protect(u64 page);
  // Returns how many calls of the host it took.
  u32 settle();

  u64 pages() const { return pages_.size(); }
  u64 pieces() const { return pieces_; }  // runs that the host has to know of

 private:
  struct Page {
    u64 number;  // in the memfd
    bool writable;
  };

  Window* window_at(u64 linear);
  Window* window_for(u64 linear, bool in_gs);
  bool continues(u64 linear_page, const Page& p) const;
  void forget(u64 linear_page);
  void add(u64 linear_page, const Page& p);

  int memory_;
  u64 gs_base_ = 0;
  std::vector<Window> windows_;
  Regions regions_{};
  std::map<u64, Page> pages_;                   // by linear page number
  std::unordered_multimap<u64, u64> writable_;  // memfd page -> linear page
  std::vector<u64> dropped_;                    // linear pages that are still mapped
  bool all_dropped_ = false;
  u64 pieces_ = 0;
};

}  // namespace tandem::jit
