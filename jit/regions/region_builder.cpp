#include "jit/regions/region_builder.h"

#include <algorithm>
#include <deque>

#include "core/isa/op.h"
#include "jit/llvm/liftable.h"
#include "jit/llvm/usage.h"

namespace tandem::jit {

using isa::Op;

namespace {

bool is_refused_always(const Translation& t, u32 insn) {
  return !t.hints.empty() && t.hints[insn].region == AccessHint::kSoft;
}

}  // namespace

RegionBuilder::RegionBuilder(BlockGraph& graph) : graph_(graph) {
  ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

// --- Blocks -----------------------------------------------------------------------------------------------

RegionBuilder::Node* RegionBuilder::node_at(PlaceInRegion place) {
  if (const auto it = nodes_.find(place); it != nodes_.end()) return it->second.t ? &it->second : nullptr;
  if (nodes_.size() >= kMostExplored) return nullptr;
  Node& n = nodes_[place];
  n.t = graph_.block_at(place);
  n.at = place;
  if (!n.t) return nullptr;
  fill(n);
  return &n;
}

void RegionBuilder::fill(Node& n) {
  const Translation& t = *n.t;
  PlanBlock& p = n.plan;
  const u32 count = t.block->count;
  const std::span<const u8> bytes = t.block->code;
  p.at = n.at;
  p.rip = t.rip;
  p.insns.assign(t.block->insns.begin(), t.block->insns.begin() + count);
  p.bytes.assign(bytes.begin(), bytes.end());
  p.regions.assign(t.regions.begin(), t.regions.end());
  p.counted_from = t.counted_from;
  for (u32 i = 0; i < count; ++i) {
    Decoded d;
    decode(decoder_, p.insns[i], p.bytes, d);
    const bool may_be_in =
        is_flat_repetition(p.insns[i])
            ? !is_refused_always(t, i)
            : !t.insns[i].executes && is_liftable(p.insns[i], d, p.regions[i], p.regions[count + i]);
    p.leaves.push_back(!may_be_in);
  }
  p.targets = graph_.targets_of(t, n.at);
  n.ends = std::ranges::find(p.leaves, true) == p.leaves.end();
  if (n.ends) find_ways(n);
}

void RegionBuilder::find_ways(Node& n) {
  const isa::Insn& last = n.plan.insns.back();
  const PlaceInRegion end = n.plan.end(), target = end + static_cast<i64>(last.imm);
  switch (last.op) {
    case Op::JMP: n.behind = {target}; return;
    case Op::CALL:
      n.behind = {end, target};
      n.callee = target;
      return;
    case Op::CALL_INDIRECT:
      n.behind = n.plan.targets;
      n.behind.push_back(end);
      if (!n.plan.targets.empty()) n.callee = n.plan.targets[0];
      return;
    case Op::JMP_INDIRECT:
    case Op::RET: n.behind = n.plan.targets; return;
    default: break;
  }
  if (isa::flow_of(last.op) == isa::Flow::Branch) n.behind = {end, target};
  else n.behind = {end};
}

// --- Loops ------------------------------------------------------------------------------------------------

void RegionBuilder::explore(Translation& start) {
  nodes_.clear();
  const auto place = static_cast<PlaceInRegion>(start.offset());
  Node* const first = node_at(place);
  if (!first) return;
  std::deque<Node*> waiting{first};
  while (!waiting.empty()) {
    Node* const n = waiting.front();
    waiting.pop_front();
    for (const PlaceInRegion next : n->behind) {
      const bool known = nodes_.contains(next);
      if (Node* const to = node_at(next); to && !known) waiting.push_back(to);
    }
  }
}

void RegionBuilder::find_ways_from(PlaceInRegion start) {
  for (auto& [at, n] : nodes_) n.from_start = at == start ? 0 : kFar;
  std::deque<PlaceInRegion> waiting{start};
  while (!waiting.empty()) {
    const Node& n = nodes_.at(waiting.front());
    waiting.pop_front();
    for (const PlaceInRegion next : n.behind) {
      const auto to = nodes_.find(next);
      if (to == nodes_.end() || to->second.from_start != kFar) continue;
      to->second.from_start = n.from_start + 1;
      waiting.push_back(next);
    }
  }
}

// How far it is back to the start.
void RegionBuilder::find_ways_back(PlaceInRegion start) {
  for (auto& [at, n] : nodes_) n.to_start = kFar;
  std::multimap<PlaceInRegion, Node*> before;
  for (auto& [at, n] : nodes_)
    for (const PlaceInRegion next : n.behind) before.emplace(next, &n);
  std::deque<std::pair<PlaceInRegion, u32>> waiting{{start, 0}};
  while (!waiting.empty()) {
    const auto [at, distance] = waiting.front();
    waiting.pop_front();
    for (auto [it, end] = before.equal_range(at); it != end; ++it) {
      if (it->second->to_start != kFar) continue;
      it->second->to_start = distance + 1;
      waiting.emplace_back(it->second->at, distance + 1);
    }
  }
}

u32 RegionBuilder::insns_of(const std::vector<Node*>& nodes) {
  u32 sum = 0;
  for (const Node* n : nodes) sum += static_cast<u32>(n->plan.insns.size());
  return sum;
}

// The shortest ways round first, for as long as they fit.
std::vector<RegionBuilder::Node*> RegionBuilder::loop_through(PlaceInRegion start) {
  find_ways_from(start);
  find_ways_back(start);
  std::vector<Node*> nodes;
  for (auto& [at, n] : nodes_)
    if (n.t && n.from_start != kFar && n.to_start != kFar) nodes.push_back(&n);
  const auto round = [](const Node* n) { return n->from_start + n->to_start; };
  std::ranges::sort(nodes, {}, [&](const Node* n) { return std::pair(round(n), n->at); });
  while (nodes.size() > kMostBlocks || insns_of(nodes) > kMostInsns) {
    const u32 longest = round(nodes.back());
    while (!nodes.empty() && round(nodes.back()) == longest) nodes.pop_back();
    if (nodes.empty()) break;
  }
  return nodes;
}

// --- Functions that are called ----------------------------------------------------------------------------

// Those that call what the region can't have: it is left there.
std::vector<RegionBuilder::Node*> RegionBuilder::add_callees(std::vector<Node*>& nodes) {
  std::vector<Node*> left;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (const std::optional<PlaceInRegion> entry = nodes[i]->callee)
      if (!add_callee(nodes, *entry)) left.push_back(nodes[i]);
  return left;
}

// All that is reached from its entry before it returns, without what it calls itself. False: it is too large,
// or no way leads to its end.
bool RegionBuilder::add_callee(std::vector<Node*>& nodes, PlaceInRegion entry) {
  std::vector<Node*> seen, added;
  bool returns = false;
  std::vector<PlaceInRegion> waiting{entry};
  while (!waiting.empty()) {
    Node* const n = node_at(waiting.back());
    waiting.pop_back();
    if (!n || std::ranges::find(seen, n) != seen.end()) continue;
    seen.push_back(n);
    if (std::ranges::find(nodes, n) == nodes.end()) added.push_back(n);
    if (nodes.size() + added.size() > kMostBlocks || insns_of(nodes) + insns_of(added) > kMostInsns)
      return false;
    if (n->ends && n->plan.insns.back().op == Op::RET) {
      returns = true;
      continue;
    }
    for (const PlaceInRegion next : n->behind)
      if (next != n->callee) waiting.push_back(next);
  }
  nodes.insert(nodes.end(), added.begin(), added.end());
  return returns;
}

// --- The region -------------------------------------------------------------------------------------------

// The lowest place that a branch goes back to: compilers put the head of the outer loop there.
PlaceInRegion RegionBuilder::head_of(const std::vector<Node*>& nodes, PlaceInRegion otherwise) {
  std::optional<PlaceInRegion> head;
  for (const Node* n : nodes) {
    if (n->plan.insns.back().op == Op::RET) continue;
    for (const PlaceInRegion next : n->behind) {
      const bool inside = std::ranges::find(nodes, next, &Node::at) != nodes.end();
      if (inside && next <= n->at && next != n->callee) head = std::min(head.value_or(next), next);
    }
  }
  return head.value_or(otherwise);
}

// The same blocks make the same plan, whichever of them was hot: it may be in the store.
BuiltRegion RegionBuilder::built(std::vector<Node*> nodes, PlaceInRegion head) {
  std::ranges::sort(nodes, {}, &Node::at);
  const auto is_inside = [&](PlaceInRegion place) {
    return std::ranges::binary_search(nodes, place, {}, &Node::at);
  };
  for (Node* n : nodes) {
    std::vector<PlaceInRegion>& targets = n->plan.targets;
    std::erase_if(targets, [&](PlaceInRegion t) { return !is_inside(t); });
    std::ranges::sort(targets);
  }
  const auto first = std::ranges::find(nodes, head, &Node::at);
  std::rotate(nodes.begin(), first, first + 1);
  BuiltRegion region;
  // Places are counted from the page of the head.
  const PlaceInRegion page = head & ~static_cast<PlaceInRegion>(kPageMask);
  for (Node* n : nodes) {
    PlanBlock& p = region.plan.blocks.emplace_back(n->plan);
    p.at -= page;
    for (PlaceInRegion& target : p.targets) target -= page;
    region.blocks.push_back(n->t);
  }
  return region;
}

std::optional<BuiltRegion> RegionBuilder::loop_of(Translation& hot, bool inner) {
  explore(hot);
  const auto start = static_cast<PlaceInRegion>(hot.offset());
  const auto is_in = [&](const std::vector<Node*>& nodes) {
    return std::ranges::find(nodes, start, &Node::at) != nodes.end();
  };
  std::vector<Node*> loop = loop_through(start);
  if (!is_in(loop)) return {};
  std::vector<Node*> nodes = loop;
  if (const std::vector<Node*> left = add_callees(nodes); !left.empty()) {
    // Better a loop of which no turn leaves the region.
    for (Node* n : left) std::erase(n->behind, n->plan.end());
    if (std::vector<Node*> smaller = loop_through(start); is_in(smaller)) {
      nodes = loop = smaller;
      add_callees(nodes);
    }
  }
  const PlaceInRegion head = inner ? start : head_of(loop, start);
  return built(std::move(nodes), head);
}

std::optional<BuiltRegion> RegionBuilder::some_from(Translation& first) {
  constexpr std::size_t kSome = 6;
  explore(first);
  const auto start = static_cast<PlaceInRegion>(first.offset());
  const Node* const n = node_at(start);
  if (!n || n->plan.leaves[0]) return {};
  find_ways_from(start);
  std::vector<Node*> nodes;
  for (auto& [at, node] : nodes_)
    if (node.t) nodes.push_back(&node);
  std::ranges::sort(nodes, {}, [](const Node* n) { return std::pair(n->from_start, n->at); });
  nodes.resize(std::min(nodes.size(), kSome));
  return built(std::move(nodes), start);
}

// --- What is in the store ---------------------------------------------------------------------------------

// Where its region's first page is at `from`.
bool RegionBuilder::has_code(const RegionOutline::Block& block, PlaceInRegion from, bool make) {
  const PlaceInRegion place = from + block.at;
  const Translation* const t = make ? graph_.block_made_at(place) : graph_.block_at(place);
  return t ? std::ranges::equal(t->block->code, block.bytes) : !make;
}

std::optional<BuiltRegion> RegionBuilder::as_stored(const RegionOutline& outline, Translation& hot) {
  const auto is_hot = [&](const RegionOutline::Block& b) {
    return (static_cast<u64>(b.at) & kPageMask) == hot.offset() &&
           std::ranges::equal(b.bytes, hot.block->code);
  };
  const auto it = std::ranges::find_if(outline.blocks, is_hot);
  if (it == outline.blocks.end() || outline.blocks.size() > kMostBlocks) return {};
  const PlaceInRegion from = static_cast<PlaceInRegion>(hot.offset()) - it->at;
  // What is not there yet is made if all that is there is right.
  for (const bool make : {false, true})
    for (const RegionOutline::Block& b : outline.blocks)
      if (!has_code(b, from, make)) return {};
  nodes_.clear();
  std::vector<Node*> nodes;
  for (const RegionOutline::Block& b : outline.blocks) nodes.push_back(node_at(from + b.at));
  BuiltRegion region = built(std::move(nodes), from + outline.blocks[0].at);
  if (!std::ranges::equal(region.plan.blocks, outline.blocks, {}, &PlanBlock::at, &RegionOutline::Block::at))
    return {};
  region.plan.stored = outline.key;
  return region;
}

}  // namespace tandem::jit
