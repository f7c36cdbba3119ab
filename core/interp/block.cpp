#include "core/interp/block.h"

#include <algorithm>

namespace tandem::interp {

Block& BlockCache::make() { return *std::pmr::polymorphic_allocator<>(&memory_).new_object<Block>(&memory_); }

Block* BlockCache::add(Block& block) {
  stored_insns_ += block.insns.size();
  if (tier_) block.runs_left = tier_->first_runs(block.key.mode);
  blocks_[block.key] = recent_of(block.key) = &block;
  index(block.key.physical >> kPageShift, &block);
  if (block.crosses()) index(block.second_page >> kPageShift, &block);
  return &block;
}

void BlockCache::forget(Block* block, const void* stale) {
  for (isa::Insn& insn : block->insns) insn.handler = stale;
  block->valid = false;
  if (tier_) tier_->forget(*block);
  if (Block*& recent = recent_of(block->key); recent == block) recent = nullptr;
  const auto it = blocks_.find(block->key);
  if (it != blocks_.end() && it->second == block) blocks_.erase(it);
}

bool BlockCache::is_patient(u64 page, Page& p) {
  const auto known = patience_.find(page);
  const u32 patience = known == patience_.end() ? kPatience : known->second;
  if (++p.beside < patience) return true;
  patience_[page] = std::min(2 * patience, kMostPatience);
  return false;
}

bool BlockCache::invalidate(u64 start, u64 length, const void* stale) {
  const u64 page = start >> kPageShift;
  const auto it = pages_.find(page);
  if (it == pages_.end()) return false;
  const auto overlaps = [&](const Block* b) {
    if (b->crosses() && (b->second_page >> kPageShift) == page) {
      const u64 first_part = kPageSize - (b->key.physical & kPageMask);
      return (start & kPageMask) < b->bytes - first_part;
    }
    return start < b->key.physical + b->bytes && b->key.physical < start + length;
  };
  std::vector<Block*>& blocks = it->second.blocks;
  const bool all = std::ranges::none_of(blocks, overlaps) && !is_patient(page, it->second);
  std::erase_if(blocks, [&](Block* b) {
    if (!all && !overlaps(b)) return false;
    forget(b, stale);
    return true;
  });
  if (!blocks.empty()) return true;
  pages_.erase(it);
  return false;
}

void BlockCache::invalidate_everywhere(u64 page_offset, const void* stale) {
  std::vector<u64> pages;
  for (const auto& [page, p] : pages_) pages.push_back(page);
  for (const u64 page : pages) invalidate(page << kPageShift | page_offset, 1, stale);
}

void BlockCache::clear() {
  if (tier_) tier_->clear();
  blocks_.clear();
  std::ranges::fill(recent_, nullptr);
  pages_.clear();
  patience_.clear();
  memory_.release();
  stored_insns_ = 0;
}

}  // namespace tandem::interp
