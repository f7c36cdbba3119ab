// Open addressing: 1024 keys into 4096 places, then 4096 questions of which a half finds its key.
#include <array>

#include "tools/bench/workloads/registry.h"
#include "tools/bench/workloads/support.h"

namespace tandem::bench {

namespace {

constexpr std::size_t kPlaces = 4096;

class HashTable {
 public:
  HashTable() {
    Random random;
    for (u64& key : keys_) key = random.next() | 1;
  }
  void once() {
    table_.fill(0);
    for (std::size_t i = 0; i < keys_.size() / 2; ++i) table_[place_of(keys_[i])] = keys_[i];
    found_ = 0;
    for (int repeat = 0; repeat < 2; ++repeat)
      for (u64 key : keys_) found_ += table_[place_of(key)] == key;
  }
  u64 checksum() const { return hash(std::span<const u64>(table_)) ^ found_; }

 private:
  // Where the key is or would be.
  std::size_t place_of(u64 key) const {
    std::size_t place = key * 0x9e3779b97f4a7c15 >> 52;
    while (table_[place] != 0 && table_[place] != key) place = (place + 1) % kPlaces;
    return place;
  }

  std::array<u64, 2048> keys_;
  std::array<u64, kPlaces> table_{};
  u64 found_ = 0;
};

}  // namespace

Workload hash_table() { return make_workload<HashTable>("hash-table", "integer"); }

}  // namespace tandem::bench
