// zlib at several levels, and an LZ with its own window: byte-wise loads, table look-ups, branches on data.
#include <zlib.h>

#include <array>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

u64 deflate_and_back(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(5); ++i) {
    for (const int level : {1, 6, 9}) {
      const std::vector<u8> text = make_text(random, 30000 + random.below(30000));
      uLongf packed_size = compressBound(text.size());
      std::vector<u8> packed(packed_size);
      require(compress2(packed.data(), &packed_size, text.data(), text.size(), level) == Z_OK, "compress2");
      packed.resize(packed_size);
      hash.all(packed);
      std::vector<u8> back(text.size());
      uLongf size = back.size();
      require(uncompress(back.data(), &size, packed.data(), packed.size()) == Z_OK, "uncompress");
      require(back == text, "zlib gives back what it got");
      hash.add(crc32(adler32(1, packed.data(), static_cast<uInt>(packed.size())), text.data(),
                     static_cast<uInt>(text.size())));
    }
  }
  return hash.value();
}

// A token: a literal, or 0xff, distance (2 bytes), length.
class Lz {
 public:
  std::vector<u8> pack(std::span<const u8> text) {
    std::vector<u8> out;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t from = candidate(text, at);
      const std::size_t length = from < at ? match(text, from, at) : 0;
      if (length >= 4) {
        for (const std::size_t b : {std::size_t{0xff}, (at - from) & 0xff, (at - from) >> 8, length})
          out.push_back(static_cast<u8>(b));
        at += length;
      } else {
        out.push_back(text[at++]);
      }
    }
    return out;
  }

  static std::vector<u8> unpack(std::span<const u8> packed) {
    std::vector<u8> out;
    for (std::size_t at = 0; at < packed.size();) {
      if (packed[at] != 0xff) {
        out.push_back(packed[at++]);
        continue;
      }
      const std::size_t distance = packed[at + 1] | packed[at + 2] << 8;
      for (std::size_t i = packed[at + 3]; i != 0; --i) out.push_back(out[out.size() - distance]);
      at += 4;
    }
    return out;
  }

 private:
  std::size_t candidate(std::span<const u8> text, std::size_t at) {
    if (at + 4 > text.size()) return at;
    u32 word;
    std::memcpy(&word, &text[at], sizeof word);
    std::size_t& slot = table_[word * 2654435761u >> 20];
    const std::size_t last = slot;
    slot = at + 1;
    return last == 0 || at - (last - 1) > 0xffff ? at : last - 1;
  }
  static std::size_t match(std::span<const u8> text, std::size_t from, std::size_t at) {
    std::size_t length = 0;
    while (length < 255 && at + length < text.size() && text[from + length] == text[at + length]) ++length;
    return length;
  }

  std::array<std::size_t, 4096> table_{};
};

u64 lz(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(30); ++i) {
    const std::vector<u8> text = make_text(random, 40000);
    const std::vector<u8> packed = Lz{}.pack(text);
    require(Lz::unpack(packed) == text, "lz gives back what it got");
    hash.all(packed);
  }
  return hash.value();
}

constexpr Part kParts[] = {{"deflate", deflate_and_back}, {"lz", lz}};

}  // namespace

std::span<const Part> compression_parts() { return kParts; }

}  // namespace tandem::stress
