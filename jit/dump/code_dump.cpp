#include "jit/dump/code_dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

#include "jit/dump/block_text.h"

namespace tandem::jit {

namespace {

struct Closer {
  void operator()(std::FILE* f) const {
    if (f != stderr) std::fclose(f);
  }
};
using File = std::unique_ptr<std::FILE, Closer>;

Result<File> open_file(const std::string& path) {
  File file(path.empty() || path == "-" ? stderr : std::fopen(path.c_str(), "we"));
  if (!file) return user_error(fmt::format("dump: {}: {}", path, std::strerror(errno)));
  return file;
}

struct Stages {
  BlockParts block;
  bool llvm_lift = false, llvm_opt = false, llvm_code = false, perf = false, gdb = false;
};

bool* stage_of(Stages& stages, std::string_view name) {
  if (name == "guest") return &stages.block.guest;
  if (name == "host") return &stages.block.host;
  if (name == "llvm-lift") return &stages.llvm_lift;
  if (name == "llvm-opt") return &stages.llvm_opt;
  if (name == "llvm-code") return &stages.llvm_code;
  if (name == "perf") return &stages.perf;
  return name == "gdb" ? &stages.gdb : nullptr;
}

class CodeDump final : public CodeObserver {
 public:
  CodeDump(Stages stages, File text, File perf)
      : stages_(stages), text_(std::move(text)), perf_(std::move(perf)) {}

  void translated(const Translation& t, std::span<const u8> guest) override {
    const std::lock_guard lock(mutex_);
    if (stages_.block.guest || stages_.block.host)
      fmt::print(text_.get(), "{}", block_text(t, guest, stages_.block));
    name(t.code, t.size, fmt::format("guest_{:x}{}", t.rip, t.is_twin ? "_twin" : ""));
  }

  bool wants_ir() const override { return stages_.llvm_lift || stages_.llvm_opt; }
  bool wants_gdb() const override { return stages_.gdb; }
  void lifted(const std::string& ir) override {
    const std::lock_guard lock(mutex_);
    if (stages_.llvm_lift) fmt::print(text_.get(), "lifted\n{}\n", ir);
  }
  void optimised(const std::string& ir) override {
    const std::lock_guard lock(mutex_);
    if (stages_.llvm_opt) fmt::print(text_.get(), "optimised\n{}\n", ir);
  }
  void compiled(const RegionPlan& plan, const CompiledRegion& region) override {
    const std::lock_guard lock(mutex_);
    if (stages_.llvm_code) fmt::print(text_.get(), "{}", region_text(plan, {region.code, region.code_bytes}));
    name(region.code, region.code_bytes, region_name(plan));
  }

 private:
  void name(const u8* code, u64 size, const std::string& name) {
    if (!perf_) return;
    fmt::print(perf_.get(), "{:x} {:x} {}\n", reinterpret_cast<u64>(code), size, name);
    std::fflush(perf_.get());
  }

  const Stages stages_;
  File text_, perf_;
  std::mutex mutex_;
};

}  // namespace

Result<std::shared_ptr<CodeObserver>> make_code_dump(std::string_view stages) {
  const std::size_t colon = std::min(stages.find(':'), stages.size());
  const std::string path(stages.substr(std::min(colon + 1, stages.size())));
  std::string_view list = stages.substr(0, colon);
  Stages wanted;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, comma);
    bool* const stage = stage_of(wanted, name);
    if (!stage)
      return user_error(
          fmt::format("dump: '{}' is none of guest, host, llvm-lift, llvm-opt, llvm-code, perf, gdb", name));
    *stage = true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  TANDEM_TRY_ASSIGN(text, open_file(path));
  File map;
  if (wanted.perf) {
    TANDEM_TRY_ASSIGN(opened, open_file(fmt::format("/tmp/perf-{}.map", getpid())));
    map = std::move(opened);
  }
  return std::shared_ptr<CodeObserver>(std::make_shared<CodeDump>(wanted, std::move(text), std::move(map)));
}

}  // namespace tandem::jit
