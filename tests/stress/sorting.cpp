// Sorting by comparison and by digits, search trees, hash tables: unpredictable branches, calls, pointers.
#include <algorithm>
#include <cstdlib>
#include <list>
#include <map>
#include <string>
#include <unordered_map>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

std::vector<u64> numbers(Random& random, std::size_t count) {
  std::vector<u64> values(count);
  for (u64& v : values) v = random.next() >> random.below(60);
  return values;
}

int compare(const void* a, const void* b) {
  u64 x;
  u64 y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return x < y ? -1 : x > y;
}

std::vector<u64> radix_sorted(std::vector<u64> values) {
  std::vector<u64> other(values.size());
  for (int shift = 0; shift < 64; shift += 8) {
    std::size_t counts[257]{};
    for (const u64 v : values) ++counts[(v >> shift & 0xff) + 1];
    for (std::size_t i = 1; i < 257; ++i) counts[i] += counts[i - 1];
    for (const u64 v : values) other[counts[v >> shift & 0xff]++] = v;
    values.swap(other);
  }
  return values;
}

u64 sort_numbers(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(10); ++i) {
    const std::vector<u64> values = numbers(random, 10000);
    const std::vector<u64> radix = radix_sorted(values);
    std::vector<u64> intro = values;
    std::vector<u64> heap = values;
    std::vector<u64> quick = values;
    std::ranges::sort(intro);
    std::ranges::make_heap(heap);
    std::ranges::sort_heap(heap);
    std::qsort(quick.data(), quick.size(), sizeof(u64), compare);
    require(intro == radix && heap == radix && quick == radix, "four ways of sorting agree");
    hash.all(radix);
  }
  return hash.value();
}

u64 sort_strings(const Work& work) {
  Random random(work.seed);
  Hash hash;
  for (u64 i = 0; i < work.times(6); ++i) {
    std::vector<std::string> words(6000);
    for (std::string& w : words) {
      w.resize(random.below(40));
      for (char& c : w) c = static_cast<char>('a' + random.below(3));
    }
    std::list<std::string> list(words.begin(), words.end());
    list.sort([](const std::string& a, const std::string& b) { return a.size() < b.size(); });  // stable
    for (const std::string& w : list) hash.bytes(w.data(), w.size());
    std::ranges::sort(words);
    for (const std::string& w : words) hash.bytes(w.data(), w.size());
  }
  return hash.value();
}

u64 tables(const Work& work) {
  Random random(work.seed);
  std::map<u64, u64> tree;
  std::unordered_map<u64, u64> table;
  for (u64 i = 0; i < work.times(60000); ++i) {
    const u64 key = random.below(20000);
    const u64 value = random.next();
    if (random.below(3) == 0) {
      require(tree.erase(key) == table.erase(key), "tree and table agree");
    } else {
      tree[key] += value;
      table[key] += value;
    }
  }
  Hash hash;
  for (const auto& [key, value] : tree) {
    require(table.at(key) == value, "tree and table agree");
    hash.add(key);
    hash.add(value);
  }
  return hash.value();
}

constexpr Part kParts[] = {
    {"sort-numbers", sort_numbers}, {"sort-strings", sort_strings}, {"tables", tables}};

}  // namespace

std::span<const Part> sorting_parts() { return kParts; }

}  // namespace tandem::stress
