// What leads where among the blocks of a plan.
#pragma once

#include <optional>
#include <vector>

#include "jit/llvm/plan.h"

namespace tandem::jit {

class PlanFlow {
 public:
  struct Edge {
    u32 from, to;
    bool back;  // closes a loop
  };

  // The plan must outlive it.
  explicit PlanFlow(const RegionPlan& plan);

  std::optional<u32> find_block(PlaceInRegion at) const;
  // Of a RET at the end of a block: behind the calls of functions that it is part of, and where it was seen
  // to go.
  const std::vector<PlaceInRegion>& return_places(u32 block) const { return returns_[block]; }
  const std::vector<Edge>& edges() const { return edges_; }

 private:
  std::vector<PlaceInRegion> callees(const PlanBlock& p) const;
  std::vector<PlaceInRegion> places_behind(u32 block) const;
  std::vector<u32> blocks_at(const std::vector<PlaceInRegion>& places) const;
  std::vector<u32> function_at(const std::vector<PlaceInRegion>& entries) const;
  void find_returns();
  void find_edges();

  const RegionPlan& plan_;
  std::vector<std::vector<PlaceInRegion>> returns_;  // by block
  std::vector<Edge> edges_;
};

}  // namespace tandem::jit
