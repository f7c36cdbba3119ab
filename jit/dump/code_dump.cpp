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

class CodeDump final : public CodeObserver {
 public:
  CodeDump(BlockParts parts, File text, File perf)
      : parts_(parts), text_(std::move(text)), perf_(std::move(perf)) {}

  void translated(const Translation& t, std::span<const u8> guest) override {
    const std::lock_guard lock(mutex_);
    if (parts_.guest || parts_.host) fmt::print(text_.get(), "{}", block_text(t, guest, parts_));
    if (perf_) {
      fmt::print(perf_.get(), "{:x} {:x} guest_{:x}{}\n", reinterpret_cast<u64>(t.code), t.size, t.rip,
                 t.is_twin ? "_twin" : "");
      std::fflush(perf_.get());
    }
  }

 private:
  BlockParts parts_;
  File text_, perf_;
  std::mutex mutex_;
};

}  // namespace

Result<std::shared_ptr<CodeObserver>> make_code_dump(std::string_view stages) {
  const std::size_t colon = std::min(stages.find(':'), stages.size());
  const std::string path(stages.substr(std::min(colon + 1, stages.size())));
  std::string_view list = stages.substr(0, colon);
  BlockParts parts;
  bool perf = false;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view stage = list.substr(0, comma);
    if (stage == "guest") parts.guest = true;
    else if (stage == "host") parts.host = true;
    else if (stage == "perf") perf = true;
    else return user_error(fmt::format("dump: '{}' is none of guest, host, perf", stage));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  TANDEM_TRY_ASSIGN(text, open_file(path));
  File map;
  if (perf) {
    TANDEM_TRY_ASSIGN(opened, open_file(fmt::format("/tmp/perf-{}.map", getpid())));
    map = std::move(opened);
  }
  return std::shared_ptr<CodeObserver>(std::make_shared<CodeDump>(parts, std::move(text), std::move(map)));
}

}  // namespace tandem::jit
