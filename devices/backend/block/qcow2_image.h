// A qcow2 image, for reading and writing.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "devices/backend/block/image.h"
#include "devices/backend/block/qcow2_refcounts.h"

namespace tandem::devices {

class Qcow2Image final : public Image {
 public:
  // backing: what clusters without data show; null: zeros.
  static Result<std::unique_ptr<Image>> open(ImageFile file, qcow2::Header header,
                                             std::unique_ptr<Image> backing, bool lasting);
  ~Qcow2Image() override;

  const std::string& path() const override { return file_.path(); }
  u64 size() const override { return header_.size; }
  bool writable() const override { return file_.writable(); }
  BlockStatus read(u64 offset, const Buffers& to) override;
  BlockStatus write(u64 offset, const Buffers& from) override;
  BlockStatus write_zeroes(u64 offset, u64 length) override;
  BlockStatus discard(u64 offset, u64 length) override;
  BlockStatus flush() override;
  std::optional<HostPlace> place(BlockOp op, u64 offset, u64 length) override;
  u64 next_data(u64 offset) override;

 private:
  static constexpr u64 kMaxTableBytes = 32 * MiB;  // of L2 tables in memory

  enum class Kind : u8 { Backing, Zero, Data, Compressed };
  // A run of bytes of the disk that lie in one piece.
  struct Run {
    Kind kind = Kind::Backing;
    bool own = false;  // Data: nobody else refers to it, so it may be written
    u64 host = 0;      // Data: offset in the file; Compressed: the L2 entry
    u64 length = 0;
  };
  struct Table {
    std::vector<u64> entries;
    bool changed = false;
  };

  Qcow2Image(ImageFile file, qcow2::Header header, std::unique_ptr<Image> backing, bool lasting);
  Result<void> load();

  // These need mutex_.
  bool tables_full() const { return tables_.size() * header_.cluster_size() >= kMaxTableBytes; }
  BlockStatus find(u64 offset, u64 length, Run& run);
  BlockStatus run_of(u64 entry, u64 in_cluster, Run& run) const;
  BlockStatus table_of(u64 index, Table*& table);
  BlockStatus own_table_of(u64 index, Table*& table);
  BlockStatus set_entry(u64 offset, u64 entry);
  void release_later(u64 entry);

  BlockStatus find_locked(u64 offset, u64 length, Run& run);
  BlockStatus read_run(const Run& run, u64 offset, const Buffers& to);
  // A cluster behind the file's end is no cluster of it: the image was cut off, or is meant to grow without
  // bounds.
  bool in_file(const Run& run) const { return run.host < file_.size(); }
  BlockStatus write_run(const Run& run, const Buffers& from);
  BlockStatus read_backing(u64 offset, const Buffers& to);
  BlockStatus read_compressed(u64 entry, u64 in_cluster, const Buffers& to);
  // These need allocation_mutex_; in one cluster.
  BlockStatus write_new(u64 offset, const Run& old, const Buffers& from);
  BlockStatus write_cluster(u64 offset, const Buffers& from);
  BlockStatus make_room();
  BlockStatus commit();
  BlockStatus commit_tables();
  BlockStatus sync();
  BlockStatus zero_piece(u64 offset, u64 length);

  u64 in_cluster(u64 offset) const { return offset & (header_.cluster_size() - 1); }
  u64 to_cluster_end(u64 offset, u64 length) const {
    return std::min(length, header_.cluster_size() - in_cluster(offset));
  }

  ImageFile file_;
  qcow2::Header header_;
  std::unique_ptr<Image> backing_;
  bool lasting_;

  // Held by who changes what is where, from looking to the new entry; taken before mutex_. Data of clusters
  // that are there already is written without it.
  std::mutex allocation_mutex_;
  std::mutex mutex_;  // guards what follows; held over reads of tables at most
  qcow2::Refcounts refcounts_;
  std::vector<u64> l1_;
  std::set<u64> l1_changed_;
  std::unordered_map<u64, Table> tables_;  // L2 tables by their index in L1
  std::vector<u64> released_;              // clusters that lose a reference once the tables are on the disk
  u64 file_end_ = 0;                       // behind it, the file reads as zero

  std::mutex compressed_mutex_;  // guards the last cluster that was decompressed
  u64 compressed_entry_ = 0;
  std::vector<u8> compressed_bytes_;
};

}  // namespace tandem::devices
