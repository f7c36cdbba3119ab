// The qcow2 file format (QEMU's docs/interop/qcow2.txt): header, entries of the tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/bits.h"
#include "devices/backend/block/image_file.h"

namespace tandem::devices::qcow2 {

inline constexpr u32 kMagic = 0x514649fb;
inline constexpr unsigned kMinClusterBits = 9, kMaxClusterBits = 21;
// More is an attack, not a disk.
inline constexpr u64 kMaxL1Bytes = 32 * MiB, kMaxRefcountTableBytes = 8 * MiB, kMaxBackingName = 1023;
inline constexpr u64 kMaxSnapshots = 65536, kMaxSnapshotBytes = 64 * MiB;
inline constexpr u64 kHeaderV2 = 72, kHeaderV3 = 104;

// Where fields are that change in a living image.
inline constexpr u64 kRefcountTableField = 48, kAutoclearField = 88;

// Incompatible features.
inline constexpr u64 kDirty = 1, kCorrupt = 2, kExternalData = 4, kCompressionType = 8, kExtendedL2 = 16;

// L1 and L2 entries.
inline constexpr u64 kCopied = u64{1} << 63, kCompressed = u64{1} << 62, kReadsZero = 1;
inline constexpr u64 kOffsetMask = 0x00fffffffffffe00;

enum class Compression : u8 { Deflate = 0, Zstd = 1 };

struct Header {
  u32 version = 3;
  u64 backing_offset = 0;
  u32 backing_size = 0;
  u32 cluster_bits = 16;
  u64 size = 0;
  u32 encryption = 0;
  u32 l1_entries = 0;
  u64 l1_offset = 0;
  u64 refcount_table_offset = 0;
  u32 refcount_table_clusters = 0;
  u32 snapshots = 0;
  u64 snapshots_offset = 0;
  u64 incompatible = 0, compatible = 0, autoclear = 0;
  u32 refcount_order = 4;  // bits of a refcount: 1 << order
  u32 header_length = kHeaderV3;
  Compression compression = Compression::Deflate;
  std::string backing, backing_format;  // of the file's name; of a header extension

  u64 cluster_size() const { return u64{1} << cluster_bits; }
  u64 table_entries() const { return cluster_size() / 8; }  // of an L2 table
  u64 table_reach() const {
    return cluster_size() * table_entries();
  }  // bytes of the disk an L2 table covers
  u64 block_entries() const { return cluster_size() * 8 >> refcount_order; }
  u64 clusters_for(u64 bytes) const { return (bytes + cluster_size() - 1) >> cluster_bits; }
};

bool is_qcow2(const ImageFile& file);
// Checks everything that does not need the tables. Error: what is wrong, without the file's name.
Result<Header> read_header(const ImageFile& file);
// All of the header, its extensions and the backing file's name: what a new file starts with.
std::vector<u8> encode_header(const Header& header);

// A table of big-endian entries.
Result<std::vector<u64>> read_table(const ImageFile& file, u64 offset, u64 entries, std::string_view what);
std::vector<u8> encode_table(std::span<const u64> entries);

// A cluster in compressed form: where it is, and at most how long.
struct CompressedPlace {
  u64 offset, length;
};
CompressedPlace compressed_place(const Header& header, u64 l2_entry);
BlockStatus decompress_cluster(Compression compression, std::span<const u8> from, std::span<u8> to);

struct Snapshot {
  u64 l1_offset;
  u32 l1_entries;
  std::string id, name;
  u64 seconds, vm_state_bytes, extra_bytes;
};
Result<std::vector<Snapshot>> read_snapshots(const ImageFile& file, const Header& header);

}  // namespace tandem::devices::qcow2
