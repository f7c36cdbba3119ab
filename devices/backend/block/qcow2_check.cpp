#include "devices/backend/block/qcow2_create.h"
#include "devices/backend/block/qcow2_refcounts.h"

namespace tandem::devices {

using namespace qcow2;

namespace {

class Check {
 public:
  Check(const ImageFile& file, const Header& header)
      : file_(file),
        header_(header),
        file_clusters_(header.clusters_for(file.size())),
        used_(file_clusters_) {}

  Result<Qcow2Faults> run() {
    use(0, header_.cluster_size());
    use(header_.refcount_table_offset, u64{header_.refcount_table_clusters} << header_.cluster_bits);
    TANDEM_TRY(follow_l1(header_.l1_offset, header_.l1_entries));
    TANDEM_TRY_ASSIGN(snapshots, read_snapshots(file_, header_));
    for (const Snapshot& s : snapshots) {
      if (u64{s.l1_entries} * 8 > kMaxL1Bytes)
        return user_error("damaged: a snapshot's L1 table is too large");
      TANDEM_TRY(follow_l1(s.l1_offset, s.l1_entries));
    }
    if (!snapshots.empty()) use(header_.snapshots_offset, snapshot_bytes(snapshots));
    TANDEM_TRY(compare());
    return faults_;
  }

 private:
  static u64 snapshot_bytes(const std::vector<Snapshot>& snapshots) {
    u64 total = 0;
    for (const Snapshot& s : snapshots)
      total += align_up(40 + s.extra_bytes + s.id.size() + s.name.size(), 8);
    return total;
  }

  void use(u64 offset, u64 bytes) {
    if (bytes == 0) return;
    const u64 last = (offset + bytes - 1) >> header_.cluster_bits;
    for (u64 c = offset >> header_.cluster_bits; c <= last; ++c) {
      if (c >= file_clusters_) {
        ++faults_.damage;
        return;
      }
      ++used_[c];
    }
  }

  Result<void> follow_l1(u64 offset, u32 entries) {
    use(offset, u64{entries} * 8);
    TANDEM_TRY_ASSIGN(l1, read_table(file_, offset, entries, "L1 table"));
    for (const u64 entry : l1) {
      const u64 at = entry & kOffsetMask;
      if (at == 0) continue;
      use(at, header_.cluster_size());
      auto l2 = read_table(file_, at, header_.table_entries(), "L2 table");
      if (!l2 || at % header_.cluster_size()) ++faults_.damage;
      else
        for (const u64 e : l2.value()) use_data(e);
    }
    return {};
  }

  void use_data(u64 entry) {
    if (entry & kCompressed) {
      const CompressedPlace place = compressed_place(header_, entry);
      const u64 start = align_down(place.offset, 512), end = align_up(place.offset + place.length, 512);
      // The last sector may be cut off with the file.
      use(start, std::min(end, std::max(start, file_.size())) - start);
    } else if (const u64 at = entry & kOffsetMask) {
      if (at % header_.cluster_size()) ++faults_.damage;
      else use(at, header_.cluster_size());
    }
  }

  Result<void> compare() {
    // Only read here.
    Refcounts counts(const_cast<ImageFile&>(file_), header_);
    TANDEM_TRY(counts.load());
    for (const u64 block : counts.table())
      if (block) use(block, header_.cluster_size());
    const u64 counted = std::min(file_clusters_, counts.table().size() * header_.block_entries());
    for (u64 c = 0; c < file_clusters_; ++c) {
      u64 count = 0;
      if (c < counted && !counts.get(c, count)) {
        ++faults_.damage;
        c |= header_.block_entries() - 1;  // the rest of a broken block
        continue;
      }
      if (count < used_[c]) ++faults_.damage;
      else if (count > used_[c]) ++faults_.leaks;
    }
    return {};
  }

  const ImageFile& file_;
  const Header& header_;
  u64 file_clusters_;
  std::vector<u32> used_;
  Qcow2Faults faults_;
};

}  // namespace

Result<Qcow2Faults> check_qcow2(const ImageFile& file) {
  constexpr u64 kMaxClusters = u64{1} << 28;
  TANDEM_TRY_ASSIGN(header, read_header(file));
  if (header.clusters_for(file.size()) > kMaxClusters)
    return user_error("has too many clusters to be checked");
  return Check(file, header).run();
}

}  // namespace tandem::devices
