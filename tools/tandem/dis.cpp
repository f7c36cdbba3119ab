// tandem dis: disassembles executable segments of an ELF file, a flat file, or the memory of a guest that
// runs.
#include <capstone/capstone.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/machine/boot/elf.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/control/paths.h"
#include "tools/tandem/control/server.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

struct Request {
  std::string path;
  u64 bits = 0;  // 0: as the file says, or 64
  u64 base = 0;
  std::string guest, address = "$pc";  // a guest's memory instead of a file
  u64 count = 20, vcpu = 0;
  bool physical = false, code = false;
};

Result<u64> number(std::string_view key, const char* text) {
  char* end = nullptr;
  const u64 n = std::strtoull(text, &end, 0);
  if (end == text || *end) return user_error(fmt::format("{}: takes a number", key));
  return n;
}

Result<void> set(Request& r, std::string_view key, const char* value) {
  if (key == "--guest") return r.guest = value, Result<void>();
  TANDEM_TRY_ASSIGN(n, number(key, value));
  if (key == "--bits") r.bits = n;
  else if (key == "--base") r.base = n;
  else if (key == "--count") r.count = n;
  else if (key == "--vcpu") r.vcpu = n;
  else return user_error(fmt::format("dis: {}: unexpected", key));
  return {};
}

Result<Request> parse(Arguments arguments) {
  Request r;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--physical" || a == "--code") {
      (a == "--code" ? r.code : r.physical) = true;
    } else if (a.starts_with("-")) {
      if (i + 1 == arguments.size()) return user_error(fmt::format("{}: a value is missing", a));
      TANDEM_TRY(set(r, a, arguments[++i]));
    } else if (!r.path.empty()) {
      return user_error(fmt::format("dis: {}: unexpected", a));
    } else {
      r.path = a;
    }
  }
  if (!r.guest.empty()) {
    if (r.bits || r.base) return user_error("dis: --bits and --base are for files");
    if (!r.path.empty()) r.address = std::exchange(r.path, "");
    return r;
  }
  if (r.path.empty()) return user_error("dis: which file, or --guest NAME?");
  if (r.physical || r.code) return user_error("dis: --physical and --code are for guests");
  if (r.bits != 0 && r.bits != 16 && r.bits != 32 && r.bits != 64)
    return user_error("--bits: takes 16, 32 or 64");
  return r;
}

// Told to the guest's monitor, which knows its CPUs' modes and page tables.
Result<std::string> ask_guest(const Request& r) {
  TANDEM_TRY_ASSIGN(path, control_path(r.guest));
  const std::string command = r.code ? "code" : fmt::format("{}/{}i", r.physical ? "xp" : "x", r.count);
  const Json request = {{"do", "monitor"}, {"line", {"vcpu", std::to_string(r.vcpu), command, r.address}}};
  TANDEM_TRY_ASSIGN(reply, ask(path, request));
  if (!reply.value("ok", false)) return user_error(fmt::format("{}: {}", r.guest, reply.value("error", "")));
  return reply.value("text", "");
}

int print_code(csh handle, std::span<const u8> code, u64 address) {
  const std::unique_ptr<cs_insn, void (*)(cs_insn*)> insn(cs_malloc(handle),
                                                          [](cs_insn* i) { cs_free(i, 1); });
  const u8* at = code.data();
  std::size_t left = code.size();
  while (left) {
    if (cs_disasm_iter(handle, &at, &left, &address, insn.get())) {
      std::string bytes;
      for (unsigned i = 0; i < insn->size; ++i) bytes += fmt::format("{:02x} ", insn->bytes[i]);
      fmt::print("{:016x}  {:33}{} {}\n", insn->address, bytes, insn->mnemonic, insn->op_str);
    } else {
      fmt::print("{:016x}  {:02x}{:31}(no instruction)\n", address++, *at++, "");
      --left;
    }
  }
  return kOk;
}

cs_mode mode_of(u64 bits) { return bits == 16 ? CS_MODE_16 : bits == 32 ? CS_MODE_32 : CS_MODE_64; }

}  // namespace

int dis_command(Arguments arguments) {
  auto request = parse(arguments);
  if (!request) return fail(request.error());
  Request r = request.take();
  if (!r.guest.empty()) {
    auto text = ask_guest(r);
    if (!text) return fail(text.error());
    return fmt::print("{}", text.value()), kOk;
  }
  auto bytes = machine::read_file(r.path);
  if (!bytes) return fail(bytes.error());
  std::vector<machine::Segment> segments = {
      {r.base, r.base, 0, bytes.value()->size(), bytes.value()->size()}};
  if (machine::is_elf(*bytes.value())) {
    auto elf = machine::parse_elf(bytes.value());
    if (!elf) return fail(std::move(elf.error()).in(r.path));
    segments = elf.value().image.segments;
    if (!r.bits) r.bits = elf.value().is64 ? 64 : 32;
  }
  csh handle;
  if (cs_open(CS_ARCH_X86, mode_of(r.bits), &handle) != CS_ERR_OK)
    return fail(host_error("capstone: out of memory"));
  for (const machine::Segment& s : segments)
    print_code(handle, std::span(*bytes.value()).subspan(s.file_offset, s.file_size), s.linked_address);
  cs_close(&handle);
  return kOk;
}

}  // namespace tandem::tools
