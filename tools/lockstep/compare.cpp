#include "tools/lockstep/compare.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/base/bits.h"

namespace tandem::lockstep {

namespace {

using cpu::CpuState;
using mem::GuestMemory;

constexpr std::size_t kMemoryChangesKept = 32;

std::vector<Change> compare_states(const CpuState& a, const CpuState& b, bool lazy_flags) {
  return states::changed_fields(a, b, [&](const states::StateField& field) {
    return lazy_flags && states::differ_only_in(cpu::kArithmeticFlags, field, a, b);
  });
}

// The next bytes that were ever written, at or behind `from`, or the memory's size.
u64 next_data(const GuestMemory& memory, u64 from) {
  const off_t at = lseek(memory.fd(), static_cast<off_t>(from), SEEK_DATA);
  return at < 0 ? memory.size() : static_cast<u64>(at);
}

// Of a stack frame of 64 or of 32 bits.
constexpr u64 kFlagsInEitherHalf = cpu::kArithmeticFlags | cpu::kArithmeticFlags << 32;

void compare_page(const GuestMemory& a, const GuestMemory& b, u64 offset, bool lazy_flags, Comparison& out) {
  states::for_changed_words(a.base() + offset, b.base() + offset, [&](u64 at, u64 x, u64 y) {
    if (lazy_flags && !((x ^ y) & ~kFlagsInEitherHalf)) return;
    ++out.memory_words;
    if (out.memory.size() < kMemoryChangesKept)
      out.memory.push_back({states::address_of(a, offset + at), x, y});
  });
}

void compare_memory(const GuestMemory& a, const GuestMemory& b, bool lazy_flags, Comparison& out) {
  constexpr u64 kPiece = 256 * KiB;
  for (u64 at = 0; at < a.size();) {
    at = std::min(next_data(a, at), next_data(b, at));
    if (at >= a.size()) return;
    const u64 end = std::min(align_down(at, kPiece) + kPiece, a.size());
    if (std::memcmp(a.base() + at, b.base() + at, end - at) != 0)
      for (u64 page = at; page < end; page += kPageSize) compare_page(a, b, page, lazy_flags, out);
    at = end;
  }
}

Result<std::vector<u8>> saved(machine::Device& device) {
  TANDEM_TRY(device.quiesce());
  snapshot::StateWriter writer;
  device.save(writer);
  return writer.finish();
}

std::string hex(std::span<const u8> bytes) {
  std::string text;
  for (const u8 b : bytes) text += fmt::format("{:02x}", b);
  return text;
}

Result<void> compare_devices(Side& a, Side& b, std::vector<Change>& out) {
  const auto &first = a.pc().devices(), &second = b.pc().devices();
  for (std::size_t i = 0; i < first.size(); ++i) {
    TANDEM_TRY_ASSIGN(x, saved(*first[i]));
    TANDEM_TRY_ASSIGN(y, saved(*second[i]));
    if (x != y) out.push_back({fmt::format("device {}", first[i]->name()), hex(x), hex(y)});
  }
  return {};
}

std::string end_of(const Side& side) { return side.ended() ? end_text(*side.ended()) : "none"; }

void compare_text(const std::string& name, const std::string& a, const std::string& b,
                  std::vector<Change>& out) {
  if (a == b) return;
  constexpr std::size_t kShown = 80;
  const auto same =
      static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  out.push_back(
      {fmt::format("{} from character {}", name, same), a.substr(same, kShown), b.substr(same, kShown)});
}

}  // namespace

std::string end_text(const machine::RunOutcome& outcome) {
  using Kind = machine::RunOutcome::Kind;
  const auto name = [&]() -> std::string_view {
    switch (outcome.kind) {
      case Kind::PowerOff: return "power off";
      case Kind::Reset: return "reset";
      case Kind::TripleFault: return "triple fault";
      case Kind::Panic: return "panic";
      case Kind::DebugExit: return "debug exit";
      case Kind::ExitPort: return "exit port";
      case Kind::Stopped: return "stopped";
      case Kind::HostError: return "host error";
    }
    return "";
  }();
  std::string text = fmt::format("{} {:#x}", name, outcome.value);
  if (!outcome.detail.empty()) text += ": " + outcome.detail;
  return text;
}

Result<Comparison> compare(Side& a, Side& b, const CompareOptions& options) {
  Comparison out;
  CpuState x, y;
  TANDEM_TRY(a.state(x));
  TANDEM_TRY(b.state(y));
  out.fields = compare_states(x, y, options.lazy_flags);
  auto& around = out.surroundings;
  compare_text("instructions", std::to_string(a.position()), std::to_string(b.position()), around);
  compare_text("end", end_of(a), end_of(b), around);
  compare_text("time", std::to_string(raw(a.pc().machine().clock().now())),
               std::to_string(raw(b.pc().machine().clock().now())), around);
  if (!options.memory) return out;
  compare_text("output", a.output(), b.output(), around);
  TANDEM_TRY(compare_devices(a, b, around));
  compare_memory(a.pc().memory(), b.pc().memory(), options.lazy_flags, out);
  return out;
}

}  // namespace tandem::lockstep
