// Which blocks become a region: those of a loop, with the functions that it calls.
#pragma once

#include <Zydis/Zydis.h>

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "jit/llvm/region_index.h"
#include "jit/runtime/translation.h"

namespace tandem::jit {

// What the builder asks of who knows the translations. Places are distances from the page of the block that
// it starts from.
class BlockGraph {
 public:
  virtual ~BlockGraph() = default;
  // The translation of the block there; null: it never ran, or is not for regions.
  virtual Translation* block_at(PlaceInRegion place) = 0;
  // The same; translates what never ran.
  virtual Translation* block_made_at(PlaceInRegion place) = 0;
  // Where the indirect branch at its end went mostly.
  virtual std::vector<PlaceInRegion> targets_of(const Translation& t, PlaceInRegion at) = 0;
};

struct BuiltRegion {
  RegionPlan plan;  // without what is the same for all of a CPU
  std::vector<Translation*> blocks;
};

class RegionBuilder {
 public:
  explicit RegionBuilder(BlockGraph& graph);

  // The largest loop of bounded size that `hot` is in. inner: of those whose head it is.
  // Nothing: it is in none.
  std::optional<BuiltRegion> loop_of(Translation& hot, bool inner);
  // `first` and a few of those that it leads to, whatever they are; nothing if its first instruction can't be
  // compiled.
  std::optional<BuiltRegion> some_from(Translation& first);
  // A region of an earlier run that `hot` is part of; nothing if the code is another now.
  std::optional<BuiltRegion> as_stored(const RegionOutline& outline, Translation& hot);

 private:
  static constexpr u32 kFar = ~u32{0};
  struct Node {
    Translation* t = nullptr;
    PlaceInRegion at = 0;
    PlanBlock plan;
    std::vector<PlaceInRegion> behind;  // with the place behind a call
    std::optional<PlaceInRegion> callee;
    bool ends = false;                       // all of it is lifted
    u32 from_start = kFar, to_start = kFar;  // least number of edges
  };
  static constexpr u32 kMostExplored = 256, kMostBlocks = 64, kMostInsns = 512;

  Node* node_at(PlaceInRegion place);
  void fill(Node& n);
  void find_ways(Node& n);
  void explore(Translation& start);
  void find_ways_from(PlaceInRegion start);
  void find_ways_back(PlaceInRegion start);
  std::vector<Node*> loop_through(PlaceInRegion start);
  std::vector<Node*> add_callees(std::vector<Node*>& nodes);
  bool add_callee(std::vector<Node*>& nodes, PlaceInRegion entry);
  static PlaceInRegion head_of(const std::vector<Node*>& nodes, PlaceInRegion otherwise);
  bool has_code(const RegionOutline::Block& block, PlaceInRegion from, bool make);
  static BuiltRegion built(std::vector<Node*> nodes, PlaceInRegion head);
  static u32 insns_of(const std::vector<Node*>& nodes);

  BlockGraph& graph_;
  ZydisDecoder decoder_;
  std::map<PlaceInRegion, Node> nodes_;
};

}  // namespace tandem::jit
