#include "jit/dump/code_dump.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>

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

ZydisMachineMode machine_mode(unsigned code_size) {
  switch (code_size) {
    case 2: return ZYDIS_MACHINE_MODE_LEGACY_16;
    case 4: return ZYDIS_MACHINE_MODE_LEGACY_32;
    default: return ZYDIS_MACHINE_MODE_LONG_64;
  }
}

void print_code(std::FILE* to, ZydisMachineMode mode, u64 address, std::span<const u8> code,
                const char* indent) {
  while (!code.empty()) {
    ZydisDisassembledInstruction insn;
    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(mode, address, code.data(), code.size(), &insn))) {
      fmt::print(to, "{}{:x}  ({} bytes that are no instruction)\n", indent, address, code.size());
      return;
    }
    fmt::print(to, "{}{:x}  {}\n", indent, address, insn.text);
    address += insn.info.length;
    code = code.subspan(insn.info.length);
  }
}

class CodeDump final : public CodeObserver {
 public:
  CodeDump(bool guest, bool host, File text, File perf)
      : guest_(guest), host_(host), text_(std::move(text)), perf_(std::move(perf)) {}

  void translated(const Translation& t, std::span<const u8> guest) override {
    const std::lock_guard lock(mutex_);
    if (guest_ || host_) print_block(t, guest);
    if (perf_) {
      fmt::print(perf_.get(), "{:x} {:x} guest_{:x}{}\n", reinterpret_cast<u64>(t.code), t.size, t.rip,
                 t.is_twin ? "_twin" : "");
      std::fflush(perf_.get());
    }
  }

 private:
  void print_block(const Translation& t, std::span<const u8> guest) {
    const ZydisMachineMode mode = machine_mode(t.block->key.mode & interp::kCodeSize);
    fmt::print(text_.get(), "block {:x}{}: {} instructions, {} bytes, code {} bytes\n", t.rip,
               t.is_twin ? " (twin)" : "", t.block->count, t.block->bytes, t.size);
    if (host_)
      print_code(text_.get(), ZYDIS_MACHINE_MODE_LONG_64, address_of(t, 0), code_of(t, 0, t.insns[0].start),
                 "    ");
    for (u32 i = 0; i < t.block->count; ++i) {
      const isa::Insn& insn = t.block->insns[i];
      print_code(text_.get(), mode, t.rip + insn.offset, guest.subspan(insn.offset, insn.length), "  ");
      if (host_)
        print_code(text_.get(), ZYDIS_MACHINE_MODE_LONG_64, address_of(t, t.insns[i].start),
                   code_of(t, t.insns[i].start, t.insns[i + 1].start), "    ");
    }
    if (host_) {
      fmt::print(text_.get(), "  exits and slow paths\n");
      print_code(text_.get(), ZYDIS_MACHINE_MODE_LONG_64, address_of(t, t.insns.back().start),
                 code_of(t, t.insns.back().start, t.size), "    ");
    }
  }
  static u64 address_of(const Translation& t, u32 offset) { return reinterpret_cast<u64>(t.code) + offset; }
  static std::span<const u8> code_of(const Translation& t, u32 from, u32 to) {
    return {t.code + from, t.code + to};
  }

  bool guest_, host_;
  File text_, perf_;
  std::mutex mutex_;
};

}  // namespace

Result<std::shared_ptr<CodeObserver>> make_code_dump(std::string_view stages) {
  const std::size_t colon = std::min(stages.find(':'), stages.size());
  const std::string path(stages.substr(std::min(colon + 1, stages.size())));
  std::string_view list = stages.substr(0, colon);
  bool guest = false, host = false, perf = false;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view stage = list.substr(0, comma);
    if (stage == "guest") guest = true;
    else if (stage == "host") host = true;
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
  return std::shared_ptr<CodeObserver>(
      std::make_shared<CodeDump>(guest, host, std::move(text), std::move(map)));
}

}  // namespace tandem::jit
