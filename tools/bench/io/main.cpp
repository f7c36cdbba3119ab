// io DEVICE ADDRESS PORT [NAME...]: times transfers from and to a block device and the host at the other end
// of the network, and prints for each, between the marks of the workloads' program,
//   NAME COUNT NANOSECONDS CHECKSUM     NANOSECONDS of one of COUNT MiB, blocks or answers
// --list prints the names and their classes.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/io/disk.h"
#include "tools/bench/io/net.h"
#include "tools/bench/workloads/measure.h"

namespace tandem::bench {

namespace {

struct Ends {
  std::string device, address;
  u16 port = 0;
};

struct Transfer {
  std::string_view name, group;
  u64 count;
  u64 (*run)(const Ends&, u64 count);
};

constexpr Transfer kTransfers[] = {
    {"read", "disk", 256, [](const Ends& e, u64 n) { return read_in_order(e.device, n * MiB); }},
    {"write", "disk", 256, [](const Ends& e, u64 n) { return write_in_order(e.device, n * MiB); }},
    {"read-cached", "disk", 256, [](const Ends& e, u64 n) { return read_cached(e.device, n * MiB); }},
    {"write-cached", "disk", 256, [](const Ends& e, u64 n) { return write_cached(e.device, n * MiB); }},
    {"read-4k-row", "disk", 10000, [](const Ends& e, u64 n) { return read_pieces_in_order(e.device, n); }},
    {"read-4k", "disk", 10000, [](const Ends& e, u64 n) { return read_anywhere(e.device, n); }},
    {"write-4k", "disk", 10000, [](const Ends& e, u64 n) { return write_anywhere(e.device, n); }},
    {"read-4k-16", "disk", 20000, [](const Ends& e, u64 n) { return read_many_anywhere(e.device, n); }},
    {"net-in", "net", 200, [](const Ends& e, u64 n) { return receive(e.address, e.port, n * MiB); }},
    {"net-out", "net", 200, [](const Ends& e, u64 n) { return send(e.address, e.port, n * MiB); }},
    {"net-answer", "net", 2000, [](const Ends& e, u64 n) { return ask(e.address, e.port, n); }},
};

const Transfer* find(std::string_view name) {
  for (const Transfer& t : kTransfers)
    if (t.name == name) return &t;
  return nullptr;
}

void run(const Transfer& t, const Ends& ends) {
  const double each = static_cast<double>(t.run(ends, t.count)) / static_cast<double>(t.count);
  std::printf("%s %llu %.2f %016llx\n", t.name.data(), static_cast<unsigned long long>(t.count), each,
              static_cast<unsigned long long>(t.count));
}

int main_of(std::span<char*> arguments) {
  if (arguments.size() == 1 && std::string_view(arguments[0]) == "--list") {
    for (const Transfer& t : kTransfers) std::printf("%s %s\n", t.name.data(), t.group.data());
    return 0;
  }
  if (arguments.size() < 3) return std::fprintf(stderr, "usage: io DEVICE ADDRESS PORT [NAME...]\n"), 2;
  const Ends ends{arguments[0], arguments[1], static_cast<u16>(std::atoi(arguments[2]))};
  std::vector<const Transfer*> chosen;
  for (const char* name : arguments.subspan(3)) {
    chosen.push_back(find(name));
    if (!chosen.back()) return std::fprintf(stderr, "io: %s is unknown\n", name), 2;
  }
  if (chosen.empty())
    for (const Transfer& t : kTransfers) chosen.push_back(&t);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  print_mark("begin");
  for (const Transfer* t : chosen) run(*t, ends);
  print_mark("end");
  return 0;
}

}  // namespace

}  // namespace tandem::bench

int main(int count, char** arguments) {
  return tandem::bench::main_of(std::span(arguments, static_cast<std::size_t>(count)).subspan(1));
}
