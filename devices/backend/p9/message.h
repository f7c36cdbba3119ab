// Messages of 9P2000.L: numbers are little-endian, strings have their length in front.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/bits.h"

namespace tandem::devices::p9 {

enum class Type : u8 {
  Lerror = 6,
  Statfs = 8,
  Lopen = 12,
  Lcreate = 14,
  Symlink = 16,
  Mknod = 18,
  Rename = 20,
  Readlink = 22,
  Getattr = 24,
  Setattr = 26,
  Xattrwalk = 30,
  Xattrcreate = 32,
  Readdir = 40,
  Fsync = 50,
  Lock = 52,
  Getlock = 54,
  Link = 70,
  Mkdir = 72,
  Renameat = 74,
  Unlinkat = 76,
  Version = 100,
  Auth = 102,
  Attach = 104,
  Flush = 108,
  Walk = 110,
  Read = 116,
  Write = 118,
  Clunk = 120,
  Remove = 122,
};
// The answer to a request has the next number.

inline constexpr u64 kHeader = 7;  // size[4] type[1] tag[2]

struct Qid {
  u8 type = 0;  // kDirectory, kSymlink
  u32 version = 0;
  u64 path = 0;
  static constexpr u8 kDirectory = 0x80, kSymlink = 0x02;
};

// What is missing reads as zero and makes good() false.
class Reader {
 public:
  explicit Reader(std::span<const u8> bytes) : left_(bytes) {}
  template <class T>
  T number() {
    if (left_.size() < sizeof(T)) {
      good_ = false;
      left_ = {};
      return 0;
    }
    const T v = load_le<T>(left_.data());
    left_ = left_.subspan(sizeof(T));
    return v;
  }
  std::string string() {
    const u16 length = number<u16>();
    if (left_.size() < length) {
      good_ = false;
      return {};
    }
    const std::string text(left_.begin(), left_.begin() + length);
    left_ = left_.subspan(length);
    return text;
  }
  bool good() const { return good_; }

 private:
  std::span<const u8> left_;
  bool good_ = true;
};

class Writer {
 public:
  template <class T>
  void number(T value) {
    bytes_.resize(bytes_.size() + sizeof value);
    store_le(bytes_.data() + bytes_.size() - sizeof value, value);
  }
  void string(std::string_view text) {
    number(static_cast<u16>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }
  void qid(const Qid& q) {
    number(q.type);
    number(q.version);
    number(q.path);
  }
  void clear() { bytes_.clear(); }
  std::vector<u8>& bytes() { return bytes_; }

 private:
  std::vector<u8> bytes_;
};

}  // namespace tandem::devices::p9
