// Writing to a qcow2 image. New data goes to new clusters at once; what refers to it stays in memory until
// flush(), which writes each kind after what it refers to is on the disk: refcount blocks, refcount table, L2
// tables, L1, and at last the references that went. So a file is right at any moment, and has all that was
// flushed; what a crash leaves are clusters that nobody refers to.
#include "devices/backend/block/qcow2_image.h"

namespace tandem::devices {

using namespace qcow2;

void Qcow2Image::release_later(u64 entry) {
  if (entry & kCompressed) {
    const CompressedPlace place = compressed_place(header_, entry);
    const u64 last =
        (align_down(place.offset, 512) + align_up(place.length, 512) - 1) >> header_.cluster_bits;
    for (u64 c = place.offset >> header_.cluster_bits; c <= last; ++c) released_.push_back(c);
  } else if (entry & kOffsetMask) {
    released_.push_back((entry & kOffsetMask) >> header_.cluster_bits);
  }
}

BlockStatus Qcow2Image::set_entry(u64 offset, u64 entry) {
  Table* table = nullptr;
  TANDEM_TRY(own_table_of(offset / header_.table_reach(), table));
  u64& place = table->entries[offset % header_.table_reach() >> header_.cluster_bits];
  release_later(std::exchange(place, entry));
  table->changed = true;
  return BlockStatus::Ok;
}

// Puts a cluster elsewhere: the old bytes around the new ones are copied.
BlockStatus Qcow2Image::write_new(u64 offset, const Run& old, const Buffers& from) {
  const u64 size = header_.cluster_size(), within = in_cluster(offset), length = total_size(from);
  TANDEM_TRY(make_room());
  u64 cluster = 0;
  bool fresh = false;
  {
    std::lock_guard lock(mutex_);
    TANDEM_TRY(refcounts_.allocate(cluster));
    fresh = cluster << header_.cluster_bits >= file_end_;
    file_end_ = std::max(file_end_, (cluster + 1) << header_.cluster_bits);
  }
  const u64 host = cluster << header_.cluster_bits;
  const bool zero_around = old.kind == Kind::Zero || (old.kind == Kind::Backing && !backing_);
  if (length == size || (zero_around && fresh)) {
    if (length < size && file_.size() < host + size) TANDEM_TRY(file_.resize(host + size));
    TANDEM_TRY(file_.write(host + within, from));
  } else {
    std::vector<u8> whole(size);
    const u64 start = offset - within, there = std::min(size, header_.size - start);
    TANDEM_TRY(read(start, {buffer(std::span(whole).first(there))}));
    copy_from(std::span(whole).subspan(within), from);
    TANDEM_TRY(file_.write(host, whole));
  }
  std::lock_guard lock(mutex_);
  return set_entry(offset, host | kCopied);
}

BlockStatus Qcow2Image::write_run(const Run& run, const Buffers& from) {
  return in_file(run) ? file_.write(run.host, from) : BlockStatus::IoError;
}

BlockStatus Qcow2Image::write_cluster(u64 offset, const Buffers& from) {
  std::lock_guard allocation(allocation_mutex_);
  Run run;
  TANDEM_TRY(find_locked(offset, total_size(from), run));  // again: another may have written it since
  if (run.kind == Kind::Data && run.own) return write_run(run, from);
  return write_new(offset, run, from);
}

BlockStatus Qcow2Image::write(u64 offset, const Buffers& from) {
  if (!writable()) return BlockStatus::ReadOnly;
  const u64 length = total_size(from);
  for (u64 done = 0; done < length;) {
    Run run;
    TANDEM_TRY(find_locked(offset + done, length - done, run));
    if (run.kind == Kind::Data && run.own) {
      TANDEM_TRY(write_run(run, slice(from, done, run.length)));
    } else {
      run.length = to_cluster_end(offset + done, length - done);
      TANDEM_TRY(write_cluster(offset + done, slice(from, done, run.length)));
    }
    done += run.length;
  }
  return BlockStatus::Ok;
}

// In one cluster.
BlockStatus Qcow2Image::zero_piece(u64 offset, u64 length) {
  {
    std::lock_guard allocation(allocation_mutex_);
    Run run;
    TANDEM_TRY(find_locked(offset, length, run));
    if (run.kind == Kind::Zero || (run.kind == Kind::Backing && !backing_)) return BlockStatus::Ok;
    if (run.kind == Kind::Data && run.own)
      return in_file(run) ? file_.write_zeroes(run.host, length) : BlockStatus::IoError;
    if (length == header_.cluster_size() && header_.version >= 3) {
      TANDEM_TRY(make_room());
      std::lock_guard lock(mutex_);
      return set_entry(offset, kReadsZero);
    }
  }
  std::vector<u8> zeroes(length);
  return write_cluster(offset, {buffer(zeroes)});
}

BlockStatus Qcow2Image::write_zeroes(u64 offset, u64 length) {
  if (!writable()) return BlockStatus::ReadOnly;
  for (u64 done = 0; done < length;) {
    const u64 n = to_cluster_end(offset + done, length - done);
    TANDEM_TRY(zero_piece(offset + done, n));
    done += n;
  }
  return BlockStatus::Ok;
}

// A cluster stays where it is, and its place in the host's file is given back.
BlockStatus Qcow2Image::discard(u64 offset, u64 length) {
  if (!writable()) return BlockStatus::ReadOnly;
  for (u64 done = 0; done < length;) {
    Run run;
    TANDEM_TRY(find_locked(offset + done, length - done, run));
    if (run.kind == Kind::Data && run.own) file_.punch(run.host, run.length);
    done += run.length;
  }
  return BlockStatus::Ok;
}

// Before a change may load one more table.
BlockStatus Qcow2Image::make_room() {
  {
    std::lock_guard lock(mutex_);
    if (!tables_full()) return BlockStatus::Ok;
  }
  TANDEM_TRY(commit());
  std::lock_guard lock(mutex_);
  tables_.clear();
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::sync() { return lasting_ ? file_.sync() : BlockStatus::Ok; }

BlockStatus Qcow2Image::commit_tables() {
  {
    std::lock_guard lock(mutex_);
    for (auto& [index, table] : tables_) {
      if (!table.changed) continue;
      TANDEM_TRY(file_.write(l1_[index] & kOffsetMask, encode_table(table.entries)));
      table.changed = false;
    }
    if (l1_changed_.empty()) return BlockStatus::Ok;
  }
  TANDEM_TRY(sync());
  std::lock_guard lock(mutex_);
  while (!l1_changed_.empty()) {
    const u64 index = *l1_changed_.begin();
    TANDEM_TRY(file_.write(header_.l1_offset + index * 8, encode_table({&l1_[index], 1})));
    l1_changed_.erase(index);
  }
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::commit() {
  bool blocks = false, table = false;
  {
    std::lock_guard lock(mutex_);
    blocks = refcounts_.blocks_changed();
    table = refcounts_.table_changed();
    TANDEM_TRY(refcounts_.write_blocks());
  }
  if (blocks) TANDEM_TRY(sync());
  if (table) {
    {
      std::lock_guard lock(mutex_);
      TANDEM_TRY(refcounts_.write_table());
    }
    TANDEM_TRY(sync());
  }
  TANDEM_TRY(commit_tables());
  TANDEM_TRY(sync());
  std::lock_guard lock(mutex_);
  for (const u64 cluster : std::exchange(released_, {})) TANDEM_TRY(refcounts_.release(cluster));
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::flush() {
  if (!writable() || !lasting_) return BlockStatus::Ok;
  std::lock_guard allocation(allocation_mutex_);
  TANDEM_TRY(commit());
  // References that went with this flush; nothing depends on when they are written.
  std::lock_guard lock(mutex_);
  return refcounts_.write_blocks();
}

}  // namespace tandem::devices
