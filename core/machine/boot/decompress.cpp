#include "core/machine/boot/decompress.h"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/base/bits.h"

namespace tandem::machine {

namespace {

using Output = std::vector<u8>;
constexpr std::size_t kStep = 4 * MiB;
constexpr std::size_t kMaxOutput = 512 * MiB;
constexpr u64 kMaxDecoderMemory = 256 * MiB;  // kernels are packed with dictionaries of at most 128 MiB

Error damaged(const char* format) {
  return user_error(std::string("damaged ") + format + " data in the kernel");
}

// Room for more output behind `used`; false where a kernel would be absurdly large.
bool grow(Output& out, std::size_t used) {
  if (out.size() - used >= kStep / 2) return true;
  if (out.size() + kStep > kMaxOutput) return false;
  out.resize(out.size() + kStep);
  return true;
}

Result<Output> gunzip(std::span<const u8> in) {
  constexpr int kGzipWindow = 16 + MAX_WBITS;
  z_stream z{};
  if (inflateInit2(&z, kGzipWindow) != Z_OK) return host_error("zlib: out of memory");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  z.next_in = const_cast<u8*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  Output out;
  int status = Z_OK;
  while (status == Z_OK && grow(out, z.total_out)) {
    z.next_out = out.data() + z.total_out;
    z.avail_out = static_cast<uInt>(out.size() - z.total_out);
    status = inflate(&z, Z_NO_FLUSH);
  }
  if (status != Z_STREAM_END) return damaged("gzip");
  out.resize(z.total_out);
  return out;
}

Result<Output> unlzma(std::span<const u8> in) {
  lzma_stream z = LZMA_STREAM_INIT;
  if (lzma_auto_decoder(&z, kMaxDecoderMemory, 0) != LZMA_OK) return host_error("liblzma: out of memory");
  const std::unique_ptr<lzma_stream, void (*)(lzma_stream*)> end(&z, lzma_end);
  z.next_in = in.data();
  z.avail_in = in.size();
  Output out;
  lzma_ret status = LZMA_OK;
  while (status == LZMA_OK && grow(out, z.total_out)) {
    z.next_out = out.data() + z.total_out;
    z.avail_out = out.size() - z.total_out;
    const u64 before = z.total_out;
    const std::size_t left = z.avail_in;
    status = lzma_code(&z, LZMA_RUN);
    if (z.total_out == before && z.avail_in == left) break;  // truncated
  }
  if (status != LZMA_STREAM_END) return damaged("xz");
  out.resize(z.total_out);
  return out;
}

Result<Output> bunzip2(std::span<const u8> in) {
  bz_stream z{};
  if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK) return host_error("bzip2: out of memory");
  const std::unique_ptr<bz_stream, int (*)(bz_stream*)> end(&z, BZ2_bzDecompressEnd);
  z.next_in = reinterpret_cast<char*>(const_cast<u8*>(in.data()));
  z.avail_in = static_cast<unsigned>(in.size());
  Output out;
  std::size_t used = 0;
  int status = BZ_OK;
  while (status == BZ_OK && grow(out, used)) {
    z.next_out = reinterpret_cast<char*>(out.data() + used);
    z.avail_out = static_cast<unsigned>(out.size() - used);
    const unsigned room = z.avail_out, left = z.avail_in;
    status = BZ2_bzDecompress(&z);
    used += room - z.avail_out;
    if (z.avail_out == room && z.avail_in == left) break;  // truncated
  }
  if (status != BZ_STREAM_END) return damaged("bzip2");
  out.resize(used);
  return out;
}

// LZ4's legacy frame: magic, then blocks of at most 8 MiB plain, each with its compressed size in front.
// Behind the last one the kernel's build puts the plain size, which is no block's: nothing follows it.
Result<Output> unlz4(std::span<const u8> in) {
  constexpr std::size_t kBlock = 8 * MiB, kMagic = 4, kSize = 4;
  Output out;
  std::size_t used = 0, at = kMagic;
  while (in.size() - at >= kSize) {
    const u32 size = load_le<u32>(in.data() + at);
    at += kSize;
    if (at == in.size()) break;
    if (size == 0 || size > in.size() - at || used + kBlock > kMaxOutput) return damaged("lz4");
    if (out.size() < used + kBlock) out.resize(used + kBlock);
    // SAFETY: bytes as chars, both lengths are within their buffers.
    const int n = LZ4_decompress_safe(reinterpret_cast<const char*>(in.data() + at),
                                      reinterpret_cast<char*>(out.data() + used), static_cast<int>(size),
                                      static_cast<int>(kBlock));
    if (n <= 0) return damaged("lz4");
    used += static_cast<std::size_t>(n);
    at += size;
  }
  if (at != in.size() || used == 0) return damaged("lz4");
  out.resize(used);
  return out;
}

Result<Output> unzstd(std::span<const u8> in) {
  const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                             ZSTD_freeDStream);
  if (!stream) return host_error("zstd: out of memory");
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  Output out;
  std::size_t used = 0;
  for (std::size_t status = 1; status != 0;) {
    if (!grow(out, used)) return damaged("zstd");
    ZSTD_outBuffer target{out.data() + used, out.size() - used, 0};
    const std::size_t before = source.pos;
    status = ZSTD_decompressStream(stream.get(), &target, &source);
    if (ZSTD_isError(status) || (target.pos == 0 && source.pos == before)) return damaged("zstd");
    used += target.pos;
  }
  out.resize(used);
  return out;
}

struct Format {
  std::vector<u8> magic;
  Result<Output> (*unpack)(std::span<const u8>);
};

const std::vector<Format>& formats() {
  static const std::vector<Format> all = {
      {{0x1f, 0x8b}, gunzip},     {{0xfd, '7', 'z', 'X', 'Z', 0}, unlzma}, {{0x5d, 0, 0}, unlzma},
      {{'B', 'Z', 'h'}, bunzip2}, {{0x02, 0x21, 0x4c, 0x18}, unlz4},       {{0x28, 0xb5, 0x2f, 0xfd}, unzstd},
  };
  return all;
}

}  // namespace

Result<std::optional<std::vector<u8>>> decompress(std::span<const u8> in) {
  for (const Format& f : formats()) {
    if (in.size() < f.magic.size() || !std::equal(f.magic.begin(), f.magic.end(), in.begin())) continue;
    TANDEM_TRY_ASSIGN(out, f.unpack(in));
    return std::optional<std::vector<u8>>(std::move(out));
  }
  return std::optional<std::vector<u8>>();
}

}  // namespace tandem::machine
