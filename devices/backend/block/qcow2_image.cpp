#include "devices/backend/block/qcow2_image.h"

#include <array>

namespace tandem::devices {

using namespace qcow2;

Qcow2Image::Qcow2Image(ImageFile file, Header header, std::unique_ptr<Image> backing, bool lasting)
    : file_(std::move(file)),
      header_(std::move(header)),
      backing_(std::move(backing)),
      lasting_(lasting),
      refcounts_(file_, header_) {}

Qcow2Image::~Qcow2Image() {
  if (writable()) std::ignore = flush();
}

Result<std::unique_ptr<Image>> Qcow2Image::open(ImageFile file, Header header, std::unique_ptr<Image> backing,
                                                bool lasting) {
  std::unique_ptr<Qcow2Image> image(
      new Qcow2Image(std::move(file), std::move(header), std::move(backing), lasting));
  TANDEM_TRY(image->load());
  return std::unique_ptr<Image>(std::move(image));
}

Result<void> Qcow2Image::load() {
  TANDEM_TRY_ASSIGN(l1, read_table(file_, header_.l1_offset, header_.l1_entries, "L1 table"));
  l1_ = std::move(l1);
  if (!writable()) return {};
  if (header_.incompatible & kCorrupt)
    return user_error("is marked as damaged; repair it by qemu-img check -r all, or open it read-only");
  if (header_.incompatible & kDirty)
    return user_error(
        "was not closed by who wrote it last; repair it by qemu-img check -r all, or open it read-only");
  TANDEM_TRY(refcounts_.load());
  refcounts_.add_metadata(header_.l1_offset, u64{header_.l1_entries} * 8);
  for (const u64 entry : l1_)
    if (entry & kOffsetMask) refcounts_.add_metadata((entry & kOffsetMask) >> header_.cluster_bits);
  // What a writer doesn't know and doesn't keep right, he marks as no longer right.
  if (header_.autoclear && !file_.write(kAutoclearField, std::array<u8, 8>{}))
    return host_error("can't be written to");
  file_end_ = align_up(file_.size(), header_.cluster_size());
  return {};
}

BlockStatus Qcow2Image::table_of(u64 index, Table*& table) {
  const auto known = tables_.find(index);
  if (known != tables_.end()) return table = &known->second, BlockStatus::Ok;
  const u64 offset = l1_[index] & kOffsetMask;
  if (in_cluster(offset)) return BlockStatus::IoError;
  auto entries = read_table(file_, offset, header_.table_entries(), "L2 table");
  if (!entries) return BlockStatus::IoError;
  if (tables_full()) std::erase_if(tables_, [](const auto& t) { return !t.second.changed; });
  table = &tables_.emplace(index, Table{entries.take()}).first->second;
  return BlockStatus::Ok;
}

// The table for a change: one that a snapshot shares is copied first.
BlockStatus Qcow2Image::own_table_of(u64 index, Table*& table) {
  const u64 old = l1_[index] & kOffsetMask;
  if (old == 0) table = &tables_[index];
  else TANDEM_TRY(table_of(index, table));
  table->entries.resize(header_.table_entries());
  if (old && (l1_[index] & kCopied)) return BlockStatus::Ok;
  u64 cluster = 0;
  TANDEM_TRY(refcounts_.allocate(cluster));
  refcounts_.add_metadata(cluster);
  l1_[index] = cluster << header_.cluster_bits | kCopied;
  l1_changed_.insert(index);
  table->changed = true;
  if (old) released_.push_back(old >> header_.cluster_bits);
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::run_of(u64 entry, u64 within, Run& run) const {
  run.kind = Kind::Data;
  run.own = entry & kCopied;
  run.host = entry;
  if (entry & kCompressed) return run.kind = Kind::Compressed, BlockStatus::Ok;
  const u64 offset = entry & kOffsetMask;
  const bool zero_flag = header_.version >= 3 && (entry & kReadsZero);
  if (in_cluster(offset) || (!zero_flag && (entry & kReadsZero)) ||
      (entry & ~(kCopied | kOffsetMask | kReadsZero)))
    return BlockStatus::IoError;
  if (zero_flag) run.kind = Kind::Zero;
  else if (offset == 0) run.kind = Kind::Backing;
  else if (writable() && refcounts_.is_metadata(offset >> header_.cluster_bits)) return BlockStatus::IoError;
  run.host = offset + within;
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::find(u64 offset, u64 length, Run& run) {
  const u64 index = offset / header_.table_reach();
  length = std::min(length, header_.table_reach() - offset % header_.table_reach());
  if ((l1_[index] & kOffsetMask) == 0) return run = {Kind::Backing, false, 0, length}, BlockStatus::Ok;
  Table* table = nullptr;
  TANDEM_TRY(table_of(index, table));
  u64 at = offset % header_.table_reach() >> header_.cluster_bits;
  TANDEM_TRY(run_of(table->entries[at], in_cluster(offset), run));
  run.length = to_cluster_end(offset, length);
  while (run.length < length && run.kind != Kind::Compressed) {
    Run next;
    if (!run_of(table->entries[++at], 0, next) || next.kind != run.kind || next.own != run.own) break;
    if (run.kind == Kind::Data && next.host != run.host + run.length) break;
    run.length += std::min(length - run.length, header_.cluster_size());
  }
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::find_locked(u64 offset, u64 length, Run& run) {
  std::lock_guard lock(mutex_);
  return find(offset, length, run);
}

BlockStatus Qcow2Image::read_backing(u64 offset, const Buffers& to) {
  const u64 length = total_size(to), size = backing_ ? backing_->size() : 0;
  const u64 there = offset < size ? std::min(length, size - offset) : 0;
  if (there) TANDEM_TRY(backing_->read(offset, slice(to, 0, there)));
  fill_zero(slice(to, there, length - there));
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::read_compressed(u64 entry, u64 within, const Buffers& to) {
  std::lock_guard lock(compressed_mutex_);
  if (entry != compressed_entry_) {
    compressed_entry_ = 0;
    const CompressedPlace place = compressed_place(header_, entry);
    std::vector<u8> packed(place.length);
    if (place.offset >= file_.size()) return BlockStatus::IoError;
    TANDEM_TRY(file_.read(place.offset, packed));
    compressed_bytes_.resize(header_.cluster_size());
    TANDEM_TRY(decompress_cluster(header_.compression, packed, compressed_bytes_));
    compressed_entry_ = entry;
  }
  copy_to(to, std::span(compressed_bytes_).subspan(within));
  return BlockStatus::Ok;
}

BlockStatus Qcow2Image::read_run(const Run& run, u64 offset, const Buffers& to) {
  switch (run.kind) {
    case Kind::Backing: return read_backing(offset, to);
    case Kind::Zero: return fill_zero(to), BlockStatus::Ok;
    case Kind::Compressed: return read_compressed(run.host, in_cluster(offset), to);
    case Kind::Data: break;
  }
  return in_file(run) ? file_.read(run.host, to) : BlockStatus::IoError;
}

BlockStatus Qcow2Image::read(u64 offset, const Buffers& to) {
  const u64 length = total_size(to);
  for (u64 done = 0; done < length;) {
    Run run;
    TANDEM_TRY(find_locked(offset + done, length - done, run));
    TANDEM_TRY(read_run(run, offset + done, slice(to, done, run.length)));
    done += run.length;
  }
  return BlockStatus::Ok;
}

// Of clusters with data of their own, by tables that are in memory; what the backing image shows is where
// that has it.
std::optional<HostPlace> Qcow2Image::place(BlockOp op, u64 offset, u64 length) {
  if (op != BlockOp::Read && (op != BlockOp::Write || !writable())) return {};
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return {};
  const u64 index = offset / header_.table_reach();
  if ((l1_[index] & kOffsetMask) && !tables_.contains(index)) return {};
  Run run;
  if (!find(offset, length, run) || run.length < length) return {};
  lock.unlock();
  const bool shown = run.kind == Kind::Backing && op == BlockOp::Read && backing_;
  if (shown && length <= backing_->size() && offset <= backing_->size() - length)
    return backing_->place(op, offset, length);
  if (run.kind != Kind::Data || !in_file(run) || (op == BlockOp::Write && !run.own)) return {};
  return HostPlace{file_.fd(), run.host};
}

u64 Qcow2Image::next_data(u64 offset) {
  while (offset < size()) {
    Run run;
    if (!find_locked(offset, size() - offset, run)) return offset;
    if (run.kind == Kind::Data || run.kind == Kind::Compressed) return offset;
    if (run.kind == Kind::Backing && backing_ && offset < backing_->size()) {
      const u64 next = backing_->next_data(offset);
      if (next < offset + run.length) return next;
    }
    offset += run.length;
  }
  return size();
}

}  // namespace tandem::devices
