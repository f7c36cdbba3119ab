// Refcounts of a qcow2 file's clusters, and from them what is free.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "devices/backend/block/qcow2_format.h"

namespace tandem::devices::qcow2 {

// Its owner's lock guards it. Changes stay in memory until write_blocks() and write_table(): blocks have to
// be on the disk before the table that leads to them, and both before anything that refers to a new cluster.
class Refcounts {
 public:
  Refcounts(ImageFile& file, const Header& header) : file_(file), header_(header) {}
  Result<void> load();

  BlockStatus get(u64 cluster, u64& count);
  // A free cluster, which then has a refcount of 1. Clusters freed since the image was opened are not given
  // again, so that nobody reads one through what is on the disk or under way.
  BlockStatus allocate(u64& cluster);
  BlockStatus release(u64 cluster);  // one reference less

  // Clusters that hold tables: data must never be written there, whatever an L2 entry says.
  bool is_metadata(u64 cluster) const { return metadata_.contains(cluster); }
  void add_metadata(u64 cluster) { metadata_.insert(cluster); }
  void add_metadata(u64 offset, u64 bytes);

  bool blocks_changed() const { return !changed_.empty(); }
  bool table_changed() const { return table_changed_; }
  BlockStatus write_blocks();
  BlockStatus write_table();
  const std::vector<u64>& table() const { return table_; }

 private:
  using Block = std::vector<u8>;
  BlockStatus block_of(u64 index, Block*& block);
  u64 read_entry(const Block& block, u64 index) const;
  void write_entry(Block& block, u64 index, u64 count) const;
  BlockStatus change(u64 cluster, u64 count);
  BlockStatus add_block(u64 index);
  BlockStatus grow_table(u64 index);
  BlockStatus move_table(u64 first, u64 clusters);

  ImageFile& file_;
  const Header& header_;
  u64 table_offset_ = 0, table_clusters_ = 0;
  std::vector<u64> table_;  // offsets of blocks
  std::unordered_map<u64, Block> blocks_;
  std::unordered_set<u64> changed_;
  std::unordered_set<u64> metadata_;
  bool table_changed_ = false;
  bool broken_ = false;  // the table could not be moved: nothing more is given or written
  u64 cursor_ = 0;       // no cluster before it is given
};

}  // namespace tandem::devices::qcow2
