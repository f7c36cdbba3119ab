#include "devices/backend/block/qcow2_format.h"

#include <fmt/format.h>

#include <array>

namespace tandem::devices::qcow2 {

namespace {

constexpr u32 kExtensionEnd = 0, kExtensionBackingFormat = 0xe2792aca;

template <class T>
void get(const u8*& at, T& field) {
  field = load_be<T>(at);
  at += sizeof(T);
}

// Fields in the order of the file; up to the snapshots in both versions.
void decode_v2(const u8* at, Header& h) {
  get(at, h.version);
  get(at, h.backing_offset);
  get(at, h.backing_size);
  get(at, h.cluster_bits);
  get(at, h.size);
  get(at, h.encryption);
  get(at, h.l1_entries);
  get(at, h.l1_offset);
  get(at, h.refcount_table_offset);
  get(at, h.refcount_table_clusters);
  get(at, h.snapshots);
  get(at, h.snapshots_offset);
}

void decode_v3(const u8* at, Header& h) {
  get(at, h.incompatible);
  get(at, h.compatible);
  get(at, h.autoclear);
  get(at, h.refcount_order);
  get(at, h.header_length);
}

Result<void> check_features(const Header& h) {
  if (h.incompatible & kExternalData)
    return user_error("keeps its data in another file, which is not supported");
  if (h.incompatible & kExtendedL2) return user_error("has extended L2 entries, which are not supported");
  const u64 unknown = h.incompatible & ~(kDirty | kCorrupt | kCompressionType);
  if (unknown)
    return user_error(
        fmt::format("uses an incompatible feature that is not known (bit {})", __builtin_ctzll(unknown)));
  if (h.encryption) return user_error("is encrypted, which is not supported");
  return {};
}

Result<void> check_table(const Header& h, std::string_view what, u64 offset, u64 bytes, u64 limit,
                         u64 file_size) {
  if (bytes > limit) return user_error(fmt::format("damaged: its {} has {} bytes", what, bytes));
  if (offset & (h.cluster_size() - 1)) return user_error(fmt::format("damaged: its {} is not aligned", what));
  if (bytes && (offset == 0 || offset > file_size || bytes > file_size - offset))
    return user_error(fmt::format("truncated or damaged: its {} is not in the file", what));
  return {};
}

// Header, L1 and refcount table, none over another.
Result<void> check_overlaps(const Header& h) {
  struct Range {
    u64 start, end;
  };
  const Range ranges[] = {{0, h.cluster_size()},
                          {h.l1_offset, h.l1_offset + u64{h.l1_entries} * 8},
                          {h.refcount_table_offset,
                           h.refcount_table_offset + (u64{h.refcount_table_clusters} << h.cluster_bits)}};
  for (const Range& a : ranges)
    for (const Range& b : ranges)
      if (&a < &b && a.start < b.end && b.start < a.end) return user_error("damaged: its tables overlap");
  return {};
}

Result<void> check(const Header& h, u64 file_size) {
  if (h.version != 2 && h.version != 3)
    return user_error(fmt::format("qcow2 version {} is not supported", h.version));
  if (h.cluster_bits < kMinClusterBits || h.cluster_bits > kMaxClusterBits)
    return user_error(fmt::format("damaged: its clusters have 2^{} bytes", h.cluster_bits));
  TANDEM_TRY(check_features(h));
  if (h.refcount_order > 6) return user_error("damaged: its refcounts have more than 64 bits");
  if (h.header_length < kHeaderV3 || h.header_length > h.cluster_size() || h.header_length % 8)
    return user_error(fmt::format("damaged: its header has {} bytes", h.header_length));
  if (h.compression > Compression::Zstd) return user_error("uses a compression that is not known");
  const u64 needed = (h.size + h.table_reach() - 1) / h.table_reach();
  if (h.size > u64{1} << 56 || h.l1_entries < needed)
    return user_error(fmt::format("damaged: its L1 table is too small for {} bytes", h.size));
  TANDEM_TRY(check_table(h, "L1 table", h.l1_offset, u64{h.l1_entries} * 8, kMaxL1Bytes, file_size));
  TANDEM_TRY(check_table(h, "refcount table", h.refcount_table_offset,
                         u64{h.refcount_table_clusters} << h.cluster_bits, kMaxRefcountTableBytes,
                         file_size));
  if (h.refcount_table_clusters == 0) return user_error("damaged: it has no refcount table");
  if (h.snapshots > kMaxSnapshots)
    return user_error(fmt::format("damaged: it has {} snapshots", h.snapshots));
  return check_overlaps(h);
}

Result<void> read_extensions(const ImageFile& file, Header& h) {
  u64 at = h.version == 2 ? kHeaderV2 : h.header_length;
  const u64 end = h.backing_offset ? std::min(h.backing_offset, h.cluster_size()) : h.cluster_size();
  while (at + 8 <= end) {
    std::array<u8, 8> head;
    if (!file.read_exactly(at, head)) return {};
    const u32 type = load_be<u32>(head.data()), length = load_be<u32>(head.data() + 4);
    if (type == kExtensionEnd) return {};
    if (length > end - at - 8) return user_error("damaged: a header extension is too long");
    if (type == kExtensionBackingFormat) {
      h.backing_format.resize(length);
      // SAFETY: a string's characters as bytes.
      if (!file.read_exactly(at + 8, {reinterpret_cast<u8*>(h.backing_format.data()), length}))
        return user_error("truncated");
    }
    at += 8 + align_up(length, 8);
  }
  return {};
}

Result<void> read_backing_name(const ImageFile& file, Header& h) {
  if (!h.backing_offset) return {};
  if (h.backing_size == 0 || h.backing_size > kMaxBackingName || h.backing_offset >= h.cluster_size() ||
      h.backing_size > h.cluster_size() - h.backing_offset)
    return user_error("damaged: the name of its backing file");
  h.backing.resize(h.backing_size);
  // SAFETY: a string's characters as bytes.
  if (!file.read_exactly(h.backing_offset, {reinterpret_cast<u8*>(h.backing.data()), h.backing_size}))
    return user_error("truncated");
  if (h.backing.find('\0') != std::string::npos) return user_error("damaged: the name of its backing file");
  return {};
}

template <class T>
void put(std::vector<u8>& out, T v) {
  out.resize(out.size() + sizeof(T));
  store_be(out.data() + out.size() - sizeof(T), v);
}

void put_text(std::vector<u8>& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

bool is_qcow2(const ImageFile& file) {
  std::array<u8, 4> magic;
  return bool(file.read_exactly(0, magic)) && load_be<u32>(magic.data()) == kMagic;
}

Result<Header> read_header(const ImageFile& file) {
  std::array<u8, 112> bytes{};
  if (!is_qcow2(file)) return user_error("is no qcow2 image");
  if (!file.read_exactly(0, std::span(bytes).first(kHeaderV2))) return user_error("truncated");
  Header h;
  decode_v2(bytes.data() + 4, h);
  if (h.version >= 3) {
    if (!file.read_exactly(0, std::span(bytes).first(kHeaderV3))) return user_error("truncated");
    decode_v3(bytes.data() + kHeaderV2, h);
    if (h.header_length > kHeaderV3 && file.read_exactly(kHeaderV3, std::span(bytes).subspan(kHeaderV3)))
      h.compression = static_cast<Compression>(bytes[kHeaderV3]);
  }
  TANDEM_TRY(check(h, file.size()));
  TANDEM_TRY(read_extensions(file, h));
  TANDEM_TRY(read_backing_name(file, h));
  return h;
}

std::vector<u8> encode_header(const Header& h) {
  std::vector<u8> out;
  put(out, kMagic);
  put(out, h.version);
  const std::size_t backing_field = out.size();
  put(out, u64{0});
  put(out, static_cast<u32>(h.backing.size()));
  put(out, h.cluster_bits);
  put(out, h.size);
  put(out, u32{0});
  put(out, h.l1_entries);
  put(out, h.l1_offset);
  put(out, h.refcount_table_offset);
  put(out, h.refcount_table_clusters);
  put(out, u32{0});
  put(out, u64{0});
  for (int i = 0; i < 3; ++i) put(out, u64{0});  // features: none
  put(out, h.refcount_order);
  put(out, static_cast<u32>(kHeaderV3 + 8));
  put(out, u64{0});  // compression type and padding
  if (!h.backing_format.empty()) {
    put(out, kExtensionBackingFormat);
    put(out, static_cast<u32>(h.backing_format.size()));
    put_text(out, h.backing_format);
    out.resize(align_up(out.size(), 8));
  }
  put(out, u64{0});  // end of extensions
  if (!h.backing.empty()) {
    store_be(out.data() + backing_field, u64{out.size()});
    put_text(out, h.backing);
  }
  return out;
}

Result<std::vector<u64>> read_table(const ImageFile& file, u64 offset, u64 entries, std::string_view what) {
  std::vector<u8> bytes(entries * 8);
  if (!file.read_exactly(offset, bytes))
    return user_error(fmt::format("truncated or damaged: its {} can't be read", what));
  std::vector<u64> table(entries);
  for (u64 i = 0; i < entries; ++i) table[i] = load_be<u64>(bytes.data() + i * 8);
  return table;
}

std::vector<u8> encode_table(std::span<const u64> entries) {
  std::vector<u8> bytes(entries.size() * 8);
  for (u64 i = 0; i < entries.size(); ++i) store_be(bytes.data() + i * 8, entries[i]);
  return bytes;
}

CompressedPlace compressed_place(const Header& h, u64 entry) {
  const unsigned split = 62 - (h.cluster_bits - 8);
  const u64 offset = entry & low_mask(split);
  const u64 sectors = (entry & low_mask(62)) >> split;
  return {offset, (sectors + 1) * 512 - offset % 512};
}

Result<std::vector<Snapshot>> read_snapshots(const ImageFile& file, const Header& h) {
  constexpr u64 kFixed = 40;
  std::vector<Snapshot> found;
  u64 at = h.snapshots_offset;
  for (u32 i = 0; i < h.snapshots; ++i) {
    std::array<u8, kFixed> b;
    if (at - h.snapshots_offset > kMaxSnapshotBytes || !file.read_exactly(at, b))
      return user_error("truncated or damaged: its snapshots can't be read");
    const u64 id_size = load_be<u16>(b.data() + 12), name_size = load_be<u16>(b.data() + 14);
    const u64 extra = load_be<u32>(b.data() + 36);
    std::string text(id_size + name_size, '\0');
    // SAFETY: a string's characters as bytes.
    if (extra > MiB ||
        !file.read_exactly(at + kFixed + extra, {reinterpret_cast<u8*>(text.data()), text.size()}))
      return user_error("truncated or damaged: its snapshots can't be read");
    found.push_back({load_be<u64>(b.data()), load_be<u32>(b.data() + 8), text.substr(0, id_size),
                     text.substr(id_size), load_be<u32>(b.data() + 16), load_be<u32>(b.data() + 32), extra});
    at += align_up(kFixed + extra + id_size + name_size, 8);
  }
  return found;
}

}  // namespace tandem::devices::qcow2
