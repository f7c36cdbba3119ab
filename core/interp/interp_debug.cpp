// Stopping for a debugger. A breakpoint's instruction begins a block of its own to which nothing links and no
// table leads: every other block runs as ever.
#include <utility>

#include "core/interp/handlers.h"
#include "core/interp/interp_vcpu.h"
#include "core/mmu/access.h"

namespace tandem::interp {

using namespace cpu;

Result<void> InterpVcpu::set_debug_points(std::shared_ptr<const DebugPoints> points) {
  const std::shared_ptr<const DebugPoints> before = std::exchange(debug_points_, std::move(points));
  breakpoint_offsets_.clear();
  if (debug_points_)
    for (const u64 b : debug_points_->breakpoints) breakpoint_offsets_.insert(b & kPageMask);
  if (before) forget_blocks_of(before->breakpoints);
  if (debug_points_) forget_blocks_of(debug_points_->breakpoints);
  const bool watches = debug_points_ && !debug_points_->watchpoints.empty();
  c_.watch.points = watches ? debug_points_.get() : nullptr;
  mmu::flush_all(c_);
  return {};
}

// Which pages these addresses lead to depends on mappings: those of all pages at their place in it go.
void InterpVcpu::forget_blocks_of(const std::unordered_set<u64>& breakpoints) {
  for (const u64 b : breakpoints) cache_.invalidate_everywhere(b & kPageMask, stale_handler());
}

bool InterpVcpu::debugger_stops_inside(u64 linear) const {
  return !breakpoint_offsets_.empty() && breakpoint_offsets_.contains(linear & kPageMask);
}

// One instruction, or the delivery of its fault; a repeated one to its end, unless something is asked of us.
void InterpVcpu::step() {
  do {
    c_.left = Step::Next;
    run_single();
  } while (c_.left == Step::Again && !c_.requests.load(std::memory_order_relaxed));
  debug_hit_ = {};
}

void InterpVcpu::step_over_watched() {
  const DebugHit hit = c_.watch.hit;
  c_.watch.was_hit = false;
  c_.watch.on = false;
  step();
  c_.watch.on = true;
  debug_hit_ = hit;
}

}  // namespace tandem::interp
