#include "jit/llvm/region_index.h"

#include <llvm/Support/xxhash.h>

#include <algorithm>
#include <optional>

#include "core/base/types.h"

namespace tandem::jit {

namespace {

u64 hash_of(u64 offset, std::span<const u8> bytes) {
  return llvm::xxh3_64bits({bytes.data(), bytes.size()}) + offset;
}

u64 offset_of(PlaceInRegion at) { return static_cast<u64>(at) & kPageMask; }

}  // namespace

RegionOutline outline_of(const RegionPlan& plan, const RegionKey& key) {
  RegionOutline outline{.key = key, .verdict = {}, .settings = plan.settings, .blocks = {}};
  for (const PlanBlock& p : plan.blocks) outline.blocks.push_back({p.at, p.bytes});
  return outline;
}

void RegionIndex::add(RegionOutline outline) {
  const std::lock_guard lock(mutex_);
  remove(outline);
  const auto shared = std::make_shared<const RegionOutline>(std::move(outline));
  for (const RegionOutline::Block& b : shared->blocks)
    by_block_.emplace(hash_of(offset_of(b.at), b.bytes), shared);
}

void RegionIndex::judge(const RegionKey& key, RegionVerdict verdict) {
  std::optional<RegionOutline> judged;
  {
    const std::lock_guard lock(mutex_);
    const auto is_it = [&](const auto& entry) { return entry.second->key == key; };
    const auto it = std::ranges::find_if(by_block_, is_it);
    if (it == by_block_.end()) return;
    judged = *it->second;
  }
  judged->verdict = verdict;
  add(std::move(*judged));
}

void RegionIndex::remove(const RegionOutline& outline) {
  for (const RegionOutline::Block& b : outline.blocks) {
    auto [it, end] = by_block_.equal_range(hash_of(offset_of(b.at), b.bytes));
    while (it != end) it = it->second->key == outline.key ? by_block_.erase(it) : std::next(it);
  }
}

RegionIndex::Outlines RegionIndex::with_block(const PlanSettings& settings, u64 offset,
                                              std::span<const u8> bytes) const {
  Outlines found;
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = by_block_.equal_range(hash_of(offset, bytes));
  for (auto it = begin; it != end; ++it) {
    const RegionOutline& outline = *it->second;
    const auto is_it = [&](const RegionOutline::Block& b) {
      return offset_of(b.at) == offset && std::ranges::equal(b.bytes, bytes);
    };
    if (outline.settings == settings && std::ranges::any_of(outline.blocks, is_it))
      found.push_back(it->second);
  }
  std::ranges::sort(found, std::greater{}, [](const auto& outline) { return outline->blocks.size(); });
  return found;
}

}  // namespace tandem::jit
