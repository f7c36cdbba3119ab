#include "devices/backend/block/qcow2_refcounts.h"

#include <array>
#include <utility>

namespace tandem::devices::qcow2 {

namespace {
constexpr u64 kMaxOffset = u64{1} << 56;
}

Result<void> Refcounts::load() {
  table_offset_ = header_.refcount_table_offset;
  table_clusters_ = header_.refcount_table_clusters;
  const u64 entries = header_.refcount_table_clusters * header_.table_entries();
  TANDEM_TRY_ASSIGN(table, read_table(file_, table_offset_, entries, "refcount table"));
  table_ = std::move(table);
  add_metadata(0, header_.cluster_size());
  add_metadata(table_offset_, entries * 8);
  for (const u64 block : table_)
    if (block) add_metadata(block >> header_.cluster_bits);
  return {};
}

void Refcounts::add_metadata(u64 offset, u64 bytes) {
  const u64 first = offset >> header_.cluster_bits;
  for (u64 i = 0; i < header_.clusters_for(bytes); ++i) metadata_.insert(first + i);
}

BlockStatus Refcounts::block_of(u64 index, Block*& block) {
  const auto known = blocks_.find(index);
  if (known != blocks_.end()) return block = &known->second, BlockStatus::Ok;
  const u64 offset = table_[index];
  if (offset & (header_.cluster_size() - 1)) return BlockStatus::IoError;
  Block bytes(header_.cluster_size());
  TANDEM_TRY(file_.read_exactly(offset, bytes));
  block = &blocks_.emplace(index, std::move(bytes)).first->second;
  return BlockStatus::Ok;
}

// Entries narrower than a byte lie from its low bits up.
u64 Refcounts::read_entry(const Block& block, u64 index) const {
  const u64 bit_at = index << header_.refcount_order;
  const u8* at = block.data() + bit_at / 8;
  switch (header_.refcount_order) {
    case 3: return *at;
    case 4: return load_be<u16>(at);
    case 5: return load_be<u32>(at);
    case 6: return load_be<u64>(at);
    default: return (*at >> bit_at % 8) & low_mask(1u << header_.refcount_order);
  }
}

void Refcounts::write_entry(Block& block, u64 index, u64 count) const {
  const u64 bit_at = index << header_.refcount_order;
  u8* at = block.data() + bit_at / 8;
  switch (header_.refcount_order) {
    case 3: *at = static_cast<u8>(count); return;
    case 4: store_be(at, static_cast<u16>(count)); return;
    case 5: store_be(at, static_cast<u32>(count)); return;
    case 6: store_be(at, count); return;
    default: {
      const u64 mask = low_mask(1u << header_.refcount_order) << bit_at % 8;
      *at = static_cast<u8>((*at & ~mask) | (count << bit_at % 8 & mask));
    }
  }
}

BlockStatus Refcounts::get(u64 cluster, u64& count) {
  const u64 index = cluster / header_.block_entries();
  count = 0;
  if (index >= table_.size() || table_[index] == 0) return BlockStatus::Ok;
  Block* block = nullptr;
  TANDEM_TRY(block_of(index, block));
  count = read_entry(*block, cluster % header_.block_entries());
  return BlockStatus::Ok;
}

BlockStatus Refcounts::change(u64 cluster, u64 count) {
  const u64 index = cluster / header_.block_entries();
  Block* block = nullptr;
  TANDEM_TRY(block_of(index, block));
  write_entry(*block, cluster % header_.block_entries(), count);
  changed_.insert(index);
  return BlockStatus::Ok;
}

BlockStatus Refcounts::release(u64 cluster) {
  u64 count = 0;
  TANDEM_TRY(get(cluster, count));
  return count == 0 ? BlockStatus::IoError : change(cluster, count - 1);
}

BlockStatus Refcounts::allocate(u64& cluster) {
  if (broken_) return BlockStatus::IoError;
  for (;; ++cursor_) {
    if (cursor_ >= kMaxOffset >> header_.cluster_bits) return BlockStatus::NoSpace;
    const u64 index = cursor_ / header_.block_entries();
    if (index >= table_.size()) {
      TANDEM_TRY(grow_table(index));
    }
    if (table_[index] == 0) {
      TANDEM_TRY(add_block(index));
      continue;
    }
    u64 count = 0;
    TANDEM_TRY(get(cursor_, count));
    if (count != 0) continue;
    if (is_metadata(cursor_)) return BlockStatus::IoError;  // a table in a free cluster: damaged
    cluster = cursor_++;
    return change(cluster, 1);
  }
}

// A block counts itself: it takes the first of its clusters.
BlockStatus Refcounts::add_block(u64 index) {
  if (is_metadata(cursor_)) return BlockStatus::IoError;
  blocks_[index].assign(header_.cluster_size(), 0);
  table_[index] = cursor_ << header_.cluster_bits;
  table_changed_ = true;
  metadata_.insert(cursor_);
  return change(cursor_, 1);
}

// A longer table, in front of all that is free: blocks that count themselves and the table, then the table.
BlockStatus Refcounts::grow_table(u64 index) {
  const u64 first = index * header_.block_entries();
  const u64 table_clusters = header_.clusters_for((index + index / 2 + 16) * 8);
  if (table_clusters << header_.cluster_bits > kMaxRefcountTableBytes) return BlockStatus::NoSpace;
  u64 blocks = 1;
  while (blocks * header_.block_entries() < blocks + table_clusters) ++blocks;
  table_.resize(table_clusters * header_.table_entries());
  for (u64 i = 0; i < blocks; ++i) {
    blocks_[index + i].assign(header_.cluster_size(), 0);
    table_[index + i] = (first + i) << header_.cluster_bits;
  }
  for (u64 i = 0; i < blocks + table_clusters; ++i) {
    metadata_.insert(first + i);
    TANDEM_TRY(change(first + i, 1));
  }
  cursor_ = first + blocks + table_clusters;
  const BlockStatus moved = move_table(first + blocks, table_clusters);
  broken_ = !moved;
  return moved;
}

// At once, since the header has to follow: blocks, table, header, each on the disk before the next.
BlockStatus Refcounts::move_table(u64 first, u64 clusters) {
  const u64 old = table_offset_ >> header_.cluster_bits;
  const u64 old_clusters = std::exchange(table_clusters_, clusters);
  TANDEM_TRY(write_blocks());
  table_offset_ = first << header_.cluster_bits;
  table_changed_ = true;
  TANDEM_TRY(file_.sync());
  TANDEM_TRY(write_table());
  TANDEM_TRY(file_.sync());
  std::array<u8, 12> field;
  store_be(field.data(), table_offset_);
  store_be(field.data() + 8, static_cast<u32>(clusters));
  TANDEM_TRY(file_.write(kRefcountTableField, field));
  TANDEM_TRY(file_.sync());
  for (u64 i = 0; i < old_clusters; ++i) {
    metadata_.erase(old + i);
    TANDEM_TRY(release(old + i));
  }
  return BlockStatus::Ok;
}

BlockStatus Refcounts::write_blocks() {
  if (broken_) return BlockStatus::IoError;
  while (!changed_.empty()) {
    const u64 index = *changed_.begin();
    TANDEM_TRY(file_.write(table_[index], blocks_[index]));
    changed_.erase(index);
  }
  return BlockStatus::Ok;
}

BlockStatus Refcounts::write_table() {
  if (!table_changed_) return BlockStatus::Ok;
  TANDEM_TRY(file_.write(table_offset_, encode_table(table_)));
  table_changed_ = false;
  return BlockStatus::Ok;
}

}  // namespace tandem::devices::qcow2
