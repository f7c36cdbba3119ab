#include <zlib.h>
#include <zstd.h>

#include <memory>

#include "devices/backend/block/qcow2_format.h"

namespace tandem::devices::qcow2 {

namespace {

// Raw deflate, with a window of 4 KiB at most. What follows the stream in its last sector is nobody's.
BlockStatus inflate_cluster(std::span<const u8> from, std::span<u8> to) {
  constexpr int kRawWindow = -12;
  z_stream z{};
  if (inflateInit2(&z, kRawWindow) != Z_OK) return BlockStatus::IoError;
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  // SAFETY: zlib only reads its input.
  z.next_in = const_cast<u8*>(from.data());
  z.avail_in = static_cast<uInt>(from.size());
  z.next_out = to.data();
  z.avail_out = static_cast<uInt>(to.size());
  const int status = inflate(&z, Z_FINISH);
  const bool whole = status == Z_STREAM_END || status == Z_BUF_ERROR;
  return whole && z.avail_out == 0 ? BlockStatus::Ok : BlockStatus::IoError;
}

BlockStatus unzstd_cluster(std::span<const u8> from, std::span<u8> to) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> z(ZSTD_createDStream(),
                                                                        ZSTD_freeDStream);
  if (!z) return BlockStatus::IoError;
  ZSTD_inBuffer in{from.data(), from.size(), 0};
  ZSTD_outBuffer out{to.data(), to.size(), 0};
  while (out.pos < out.size) {
    const std::size_t in_before = in.pos, out_before = out.pos;
    if (ZSTD_isError(ZSTD_decompressStream(z.get(), &out, &in))) return BlockStatus::IoError;
    if (in.pos == in_before && out.pos == out_before) return BlockStatus::IoError;
  }
  return BlockStatus::Ok;
}

}  // namespace

BlockStatus decompress_cluster(Compression compression, std::span<const u8> from, std::span<u8> to) {
  return compression == Compression::Zstd ? unzstd_cluster(from, to) : inflate_cluster(from, to);
}

}  // namespace tandem::devices::qcow2
