#include "tests/loaders/compress.h"

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "core/base/assert.h"
#include "core/base/bits.h"

namespace tandem::tests {

namespace {

constexpr std::size_t kSlack = 64 * KiB;

std::vector<u8> gzip(std::span<const u8> plain) {
  std::vector<u8> out(plain.size() + kSlack);
  z_stream z{};
  ensure(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
         "the test data can be packed");
  z.next_in = const_cast<u8*>(plain.data());
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  ensure(deflate(&z, Z_FINISH) == Z_STREAM_END, "the test data can be packed");
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

// With the x86 filter, as the kernel's build uses it.
std::vector<u8> xz(std::span<const u8> plain) {
  lzma_options_lzma options;
  ensure(!lzma_lzma_preset(&options, 6), "the test data can be packed");
  lzma_filter filters[] = {
      {LZMA_FILTER_X86, nullptr}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::vector<u8> out(plain.size() + kSlack);
  std::size_t used = 0;
  ensure(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, nullptr, plain.data(), plain.size(), out.data(),
                                   &used, out.size()) == LZMA_OK,
         "the test data can be packed");
  out.resize(used);
  return out;
}

std::vector<u8> lzma(std::span<const u8> plain) {
  lzma_options_lzma options;
  ensure(!lzma_lzma_preset(&options, 6), "the test data can be packed");
  lzma_stream z = LZMA_STREAM_INIT;
  ensure(lzma_alone_encoder(&z, &options) == LZMA_OK, "the test data can be packed");
  std::vector<u8> out(plain.size() + kSlack);
  z.next_in = plain.data();
  z.avail_in = plain.size();
  z.next_out = out.data();
  z.avail_out = out.size();
  ensure(lzma_code(&z, LZMA_FINISH) == LZMA_STREAM_END, "the test data can be packed");
  out.resize(z.total_out);
  lzma_end(&z);
  return out;
}

std::vector<u8> bzip2(std::span<const u8> plain) {
  std::vector<u8> out(plain.size() + kSlack);
  unsigned used = static_cast<unsigned>(out.size());
  // SAFETY: bytes as chars; the library does not write to its input.
  ensure(BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(out.data()), &used,
                                  reinterpret_cast<char*>(const_cast<u8*>(plain.data())),
                                  static_cast<unsigned>(plain.size()), 9, 0, 0) == BZ_OK,
         "the test data can be packed");
  out.resize(used);
  return out;
}

// Legacy frame: magic, then blocks of 8 MiB plain.
std::vector<u8> lz4(std::span<const u8> plain) {
  constexpr std::size_t kBlock = 8 * MiB;
  std::vector<u8> out = {0x02, 0x21, 0x4c, 0x18};
  for (std::size_t at = 0; at < plain.size(); at += kBlock) {
    const auto block = plain.subspan(at, std::min(kBlock, plain.size() - at));
    const int size = static_cast<int>(block.size());
    const std::size_t head = out.size();
    out.resize(head + 4 + static_cast<std::size_t>(LZ4_compressBound(size)));
    // SAFETY: bytes as chars.
    const int packed =
        LZ4_compress_default(reinterpret_cast<const char*>(block.data()),
                             reinterpret_cast<char*>(&out[head + 4]), size, LZ4_compressBound(size));
    ensure(packed > 0, "the test data can be packed");
    store_le<u32>(&out[head], static_cast<u32>(packed));
    out.resize(head + 4 + static_cast<std::size_t>(packed));
  }
  return out;
}

std::vector<u8> zstd(std::span<const u8> plain) {
  std::vector<u8> out(ZSTD_compressBound(plain.size()));
  const std::size_t used = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 19);
  ensure(!ZSTD_isError(used), "the test data can be packed");
  out.resize(used);
  return out;
}

}  // namespace

std::vector<Compressor> compressors() {
  return {{"gzip", gzip}, {"xz", xz}, {"lzma", lzma}, {"bzip2", bzip2}, {"lz4", lz4}, {"zstd", zstd}};
}

std::vector<u8> pack_payload(const Compressor& with, std::span<const u8> plain) {
  std::vector<u8> out = with.pack(plain);
  if (with.name == "gzip") return out;
  out.resize(out.size() + 4);
  store_le<u32>(&out[out.size() - 4], static_cast<u32>(plain.size()));
  return out;
}

}  // namespace tandem::tests
