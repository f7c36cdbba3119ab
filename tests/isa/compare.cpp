#include "tests/isa/compare.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstring>

#include "core/base/bits.h"
#include "tests/isa/state_text.h"

namespace tandem::tests {

namespace {

constexpr u8 kPageFault = 14;
constexpr u32 kArithmetic = static_cast<u32>(cpu::kArithmeticFlags);

// What an instruction that faults leaves of the flags, and what the program's earlier ones had left
// undefined.
u32 undefined_at(const Program& p, const RunState& end) {
  u64 offset = 0;
  for (std::size_t i = 0; i < p.insns.size(); ++i) {
    if (kCodeAddress + offset == end.rip) {
      constexpr u8 kDivideError = 0;
      return end.fault && end.fault->vector == kDivideError ? kArithmetic
                                                            : p.undefined_flags[i] | p.undefined_flags[i + 1];
    }
    offset += p.insns[i].size();
  }
  return p.undefined_flags.back();
}

// Linux reports every fault of a kernel address as one of protection.
void hide_presence(RunState& s) {
  if (s.fault && s.fault->vector == kPageFault && s.fault->address >> 47) s.fault->code &= ~1u;
}

std::string trim(std::string s) {
  s.erase(0, std::min(s.find_first_not_of(' '), s.size()));
  s.erase(s.find_last_not_of(' ') + 1);
  return s;
}

}  // namespace

std::string to_line(const Case& c) {
  const RunState base = default_state();
  const std::string undefined = c.undefined_flags ? fmt::format(" | undefined={:x}", c.undefined_flags) : "";
  return fmt::format("{} ; {} | {} | {}{}", to_hex(c.code), c.text, difference(base, c.start),
                     difference(c.start, c.end), undefined);
}

Result<Case> from_line(const std::string& line) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t bar = std::min(line.find('|', at), line.size());
    parts.push_back(line.substr(at, bar - at));
    at = bar + 1;
  }
  if (parts.size() < 3 || parts.size() > 4)
    return user_error("a case is CODE ; text | start | end [| undefined=]");
  Case c;
  const std::size_t semicolon = std::min(parts[0].find(';'), parts[0].size());
  TANDEM_TRY_ASSIGN(code, from_hex(trim(parts[0].substr(0, semicolon))));
  c.code = std::move(code);
  c.text = trim(parts[0].substr(std::min(semicolon + 1, parts[0].size())));
  c.start = default_state();
  TANDEM_TRY(tests::apply(parts[1], c.start));
  c.end = c.start;
  const bool faults = parts[2].find("fault=") != std::string::npos;
  c.end.rip = kCodeAddress + (faults ? 0 : c.code.size());
  TANDEM_TRY(tests::apply(parts[2], c.end));
  if (parts.size() == 4)
    c.undefined_flags = static_cast<u32>(std::stoul(trim(parts[3]).substr(10), nullptr, 16));
  return c;
}

void normalise(RunState& s, u32 undefined) {
  hide_presence(s);
  s.rflags &= ~u64{undefined};
  s.rflags |= 0x202;
  s.rflags &= ~cpu::kRf;
  cpu::X87State& x = s.vector.x87;
  x.fip = x.fdp = 0;
  x.fop = 0;
  x.reserved = 0;
  x.mxcsr_unused = x.mxcsr_mask_unused = 0;
  for (auto& st : x.st) std::memset(st + 10, 0, 6);
}

namespace {

// Where a gather faults, CPUs differ in how much of it is done and in what the mask then looks like; where
// MASKMOVQ does, in whether MMX registers are in use by then.
bool has_open_end(std::span<const u8> insn) {
  Decoded d;
  return decode64(insn, d) &&
         (d.insn.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ || d.insn.meta.category == ZYDIS_CATEGORY_AVX2GATHER ||
          d.insn.meta.category == ZYDIS_CATEGORY_GATHER || d.insn.meta.category == ZYDIS_CATEGORY_SCATTER);
}

// Which operand of CMPS is read first is the CPU's choice.
bool compares_strings(std::span<const u8> insn) {
  Decoded d;
  return decode64(insn, d) && d.insn.meta.category == ZYDIS_CATEGORY_STRINGOP &&
         (d.insn.opcode & 0xfe) == 0xa6;
}

void forgive_open_end(std::span<const u8> faulting, const RunState& host, RunState& guest) {
  if (host.fault && guest.fault && compares_strings(faulting)) guest.fault->address = host.fault->address;
  if (!host.fault || !has_open_end(faulting)) return;
  guest.vector = host.vector;
  guest.window = host.window;
}

// A wild address, as gathers have them, may be in this process' own memory: the host's CPU finds something
// there.
bool is_of_this_process(u64 address) {
  const auto lies_in = [&](u64 first, u64 size) { return address - first < size; };
  if (lies_in(kWindowAddress, kWindowSize) || lies_in(kCodeAddress & ~kPageMask, kPageSize)) return false;
  unsigned char resident;
  return mincore(reinterpret_cast<void*>(address & ~kPageMask), kPageSize, &resident) == 0;
}

std::span<const u8> instruction_at(const Program& p, u64 rip) {
  u64 at = kCodeAddress;
  for (const auto& insn : p.insns) {
    if (at == rip) return insn;
    at += insn.size();
  }
  return {};
}

}  // namespace

Result<void> Comparer::run_both(std::span<const u8> code, RunState& host, RunState& guest) {
  if (auto ran = oracle_(code, host); !ran) return std::move(ran.error()).in("the oracle");
  return engine_.run(code, guest);
}

bool Comparer::differs(std::span<const u8> code, const RunState& start, u32 undefined, RunState& host,
                       RunState& guest, std::string& problem) {
  host = guest = start;
  if (const auto ran = run_both(code, host, guest); !ran) {
    problem = ran.error().message;
    return true;
  }
  if (host.fault && !exact_flags_) undefined |= kArithmetic;
  normalise(host, undefined);
  normalise(guest, undefined);
  forgive_open_end(code, host, guest);
  problem = difference(host, guest);
  return !problem.empty();
}

// Puts every part of the start state to its default that the difference doesn't need.
void Comparer::reduce(std::span<const u8> code, RunState& start, u32 undefined) {
  RunState base = default_state(), host, guest;
  std::string problem;
  const auto defaults = fields(base);
  const auto values = fields(start);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::vector<u8> kept(values[i].data, values[i].data + values[i].size);
    std::memcpy(values[i].data, defaults[i].data, values[i].size);
    if (!differs(code, start, undefined, host, guest, problem))
      std::memcpy(values[i].data, kept.data(), kept.size());
  }
  for (u64 at = 0; at < kWindowSize; at += 64) {
    const std::vector<u8> kept(start.window.begin() + static_cast<i64>(at),
                               start.window.begin() + static_cast<i64>(at) + 64);
    std::fill_n(start.window.begin() + static_cast<i64>(at), 64, u8{0});
    if (!differs(code, start, undefined, host, guest, problem))
      std::copy(kept.begin(), kept.end(), start.window.begin() + static_cast<i64>(at));
  }
}

std::string Comparer::report(const Program& p) {
  RunState start = p.start, host, guest;
  std::string problem;
  for (std::size_t i = 0; i < p.insns.size(); ++i) {
    const u32 undefined = p.undefined_flags[i] | p.undefined_flags[i + 1];
    if (differs(p.insns[i], start, undefined, host, guest, problem)) {
      reduce(p.insns[i], start, undefined);
      differs(p.insns[i], start, undefined, host, guest, problem);
      Case c{p.insns[i], disassemble(p.insns[i]), start, host, undefined};
      return fmt::format("{}\n  instead: {}\n", to_line(c), problem);
    }
    start = host;
    start.rip = kCodeAddress;
  }
  differs(p.code(), p.start, p.undefined_flags.back(), host, guest, problem);
  return fmt::format("only together: {}\n  {}\n", to_hex(p.code()), problem);
}

std::string Comparer::compare(const Program& p) {
  const std::vector<u8> code = p.code();
  RunState host = p.start, guest = p.start;
  const auto ran = run_both(code, host, guest);
  const u32 undefined = undefined_at(p, host) | (host.fault && !exact_flags_ ? kArithmetic : 0);
  normalise(host, undefined);
  normalise(guest, undefined);
  forgive_open_end(instruction_at(p, host.rip), host, guest);
  if (ran && difference(host, guest).empty()) return {};
  if (ran && guest.fault && guest.fault->vector == kPageFault && is_of_this_process(guest.fault->address))
    return {};
  return report(p);
}

}  // namespace tandem::tests
