// Trees of processes, with copies of their parents' memory; programs started by exec; data through chains of
// pipes.
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

#include "tests/stress/stress.h"

namespace tandem::stress {

namespace {

int wait_for(pid_t child) {
  int status = 0;
  require(waitpid(child, &status, 0) == child, "waitpid");
  return status;
}

// Words of shared memory for the sums of a tree.
constexpr std::size_t room(unsigned depth) { return depth == 0 ? 0 : 3 + 3 * room(depth - 1); }

// Every process changes its copy of the memory and passes its sum up by shared memory.
u64 grow(u64 seed, unsigned depth, std::vector<u64>& memory, volatile u64* sums) {
  for (std::size_t i = 0; i < memory.size(); i += 64) memory[i] = memory[i] * 5 + seed;
  if (depth != 0) {
    std::array<pid_t, 3> children{};
    for (std::size_t c = 0; c < children.size(); ++c) {
      children[c] = fork();
      require(children[c] >= 0, "fork");
      if (children[c] != 0) continue;
      sums[c] = grow(seed * 3 + c, depth - 1, memory, sums + 3 + c * room(depth - 1));
      _exit(static_cast<int>(c) + 7);
    }
    for (std::size_t c = 0; c < children.size(); ++c)
      require(wait_for(children[c]) == (static_cast<int>(c) + 7) << 8, "a child's status");
  }
  Hash hash;
  hash.all(memory);
  for (std::size_t c = 0; depth != 0 && c < 3; ++c) hash.add(u64{sums[c]});
  return hash.value();
}

u64 tree(const Work& work) {
  void* const shared = mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(shared != MAP_FAILED, "mmap");
  Hash hash;
  for (u64 i = 0; i < work.times(4); ++i) {
    std::vector<u64> memory(16 * 512, work.seed);
    hash.add(grow(work.seed + i, 3, memory, static_cast<volatile u64*>(shared)));
  }
  return hash.value();
}

u64 programs(const Work& work) {
  const std::string self(work.self);
  std::array<char*, 3> arguments{const_cast<char*>(self.c_str()), const_cast<char*>("--child"), nullptr};
  u64 sum = 0;
  for (u64 i = 0; i < work.times(30); ++i) {
    pid_t child = 0;
    require(posix_spawn(&child, self.c_str(), nullptr, nullptr, arguments.data(), environ) == 0,
            "posix_spawn");
    sum += static_cast<u64>(wait_for(child));
  }
  return sum;
}

// Bytes go through processes, each of which changes them.
u64 pipes(const Work& work) {
  constexpr unsigned kStages = 4;
  std::array<std::array<int, 2>, kStages + 1> ends;
  for (auto& e : ends) require(pipe(e.data()) == 0, "pipe");
  const auto close_all_but = [&](int in, int out) {
    for (const auto& e : ends)
      for (const int fd : e)
        if (fd != in && fd != out) close(fd);
  };
  std::array<pid_t, kStages + 1> children;
  for (unsigned s = 0; s <= kStages; ++s) {
    children[s] = fork();
    if (children[s] != 0) continue;
    const int in = s == 0 ? -1 : ends[s - 1][0];
    const int out = ends[s][1];
    close_all_but(in, out);
    std::array<u8, 1000> buffer;
    if (s == 0) {
      Random random(work.seed);
      for (u64 i = 0; i < work.times(2000); ++i) {
        for (u8& b : buffer) b = static_cast<u8>(random.next());
        for (std::size_t done = 0; done < buffer.size();) {
          const ssize_t n = write(out, &buffer[done], buffer.size() - done);
          if (n <= 0) _exit(1);
          done += static_cast<std::size_t>(n);
        }
      }
      _exit(0);
    }
    for (ssize_t n; (n = read(in, buffer.data(), buffer.size() - s)) > 0;) {
      for (u8& b : buffer) b = static_cast<u8>(b * 3 + s);
      if (write(out, buffer.data(), static_cast<std::size_t>(n)) != n) _exit(1);
    }
    _exit(0);
  }
  const int in = ends[kStages][0];
  close_all_but(in, -1);
  Hash hash;
  std::array<u8, 4096> buffer;
  for (ssize_t n; (n = read(in, buffer.data(), buffer.size())) > 0;)
    hash.bytes(buffer.data(), static_cast<std::size_t>(n));
  for (const pid_t child : children) require(wait_for(child) == 0, "a stage's status");
  return hash.value();
}

constexpr Part kParts[] = {{"process-tree", tree}, {"programs", programs}, {"pipes", pipes}};

}  // namespace

std::span<const Part> process_parts() { return kParts; }

}  // namespace tandem::stress
