#include "jit/llvm/plan_flow.h"

#include <algorithm>

#include "core/isa/op.h"

namespace tandem::jit {

using isa::Op;

namespace {

Op last_of(const PlanBlock& p) { return p.insns.back().op; }
bool is_call(const PlanBlock& p) { return last_of(p) == Op::CALL || last_of(p) == Op::CALL_INDIRECT; }

}  // namespace

PlanFlow::PlanFlow(const RegionPlan& plan) : plan_(plan), returns_(plan.blocks.size()) {
  find_returns();
  find_edges();
}

std::optional<u32> PlanFlow::find_block(PlaceInRegion at) const {
  const auto it = std::ranges::find(plan_.blocks, at, &PlanBlock::at);
  return it == plan_.blocks.end() ? std::nullopt : std::optional(static_cast<u32>(it - plan_.blocks.begin()));
}

std::vector<PlaceInRegion> PlanFlow::callees(const PlanBlock& p) const {
  if (last_of(p) == Op::CALL) return {p.end() + static_cast<i64>(p.insns.back().imm)};
  return p.targets;
}

std::vector<u32> PlanFlow::blocks_at(const std::vector<PlaceInRegion>& places) const {
  std::vector<u32> blocks;
  for (const PlaceInRegion place : places)
    if (const auto block = find_block(place)) blocks.push_back(*block);
  return blocks;
}

// All that is run from there before it returns, without what it calls itself.
std::vector<u32> PlanFlow::function_at(const std::vector<PlaceInRegion>& entries) const {
  std::vector<u32> seen, waiting = blocks_at(entries);
  while (!waiting.empty()) {
    const u32 block = waiting.back();
    waiting.pop_back();
    if (std::ranges::find(seen, block) != seen.end()) continue;
    seen.push_back(block);
    const PlanBlock& p = plan_.blocks[block];
    if (last_of(p) == Op::RET) continue;
    for (const u32 next : blocks_at(is_call(p) ? std::vector{p.end()} : places_behind(block)))
      waiting.push_back(next);
  }
  return seen;
}

void PlanFlow::find_returns() {
  for (const PlanBlock& p : plan_.blocks) {
    if (!is_call(p) || !find_block(p.end())) continue;
    for (const u32 block : function_at(callees(p)))
      if (last_of(plan_.blocks[block]) == Op::RET) returns_[block].push_back(p.end());
  }
  for (std::size_t n = 0; n < returns_.size(); ++n) {
    std::vector<PlaceInRegion>& places = returns_[n];
    const std::vector<PlaceInRegion>& seen = plan_.blocks[n].targets;
    places.insert(places.end(), seen.begin(), seen.end());
    std::ranges::sort(places);
    places.erase(std::unique(places.begin(), places.end()), places.end());
  }
}

std::vector<PlaceInRegion> PlanFlow::places_behind(u32 block) const {
  const PlanBlock& p = plan_.blocks[block];
  const PlaceInRegion target = p.end() + static_cast<i64>(p.insns.back().imm);
  switch (last_of(p)) {
    case Op::JMP: return {target};
    case Op::RET: return returns_[block];
    case Op::CALL:
    case Op::CALL_INDIRECT: return callees(p);
    case Op::JMP_INDIRECT: return p.targets;
    default: break;
  }
  if (isa::flow_of(last_of(p)) == isa::Flow::Branch) return {p.end(), target};
  return {p.end()};
}

// Edges that lead to a block on the way to which they are close a loop.
void PlanFlow::find_edges() {
  std::vector<u8> state(plan_.blocks.size());  // 1: on the way, 2: done
  const auto visit = [&](auto& self, u32 block) -> void {
    state[block] = 1;
    for (const u32 to : blocks_at(places_behind(block))) {
      edges_.push_back({block, to, state[to] == 1});
      if (state[to] == 0) self(self, to);
    }
    state[block] = 2;
  };
  visit(visit, 0);
}

}  // namespace tandem::jit
