#include "tools/states/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace tandem::states {

using cpu::CpuState;

static_assert(offsetof(CpuState, gpr) == 0);

std::vector<Change> changed_fields(const CpuState& first, const CpuState& second,
                                   const std::function<bool(const StateField&)>& allowed) {
  std::vector<Change> out;
  for (const StateField& field : state_fields())
    if (std::memcmp(field.in(first), field.in(second), field.size) != 0 && !allowed(field))
      out.push_back({field.name, text_of(field, first), text_of(field, second)});
  return out;
}

bool differ_only_in(u64 bits, const StateField& field, const CpuState& first, const CpuState& second) {
  const bool general = field.offset < sizeof first.gpr;  // gpr comes first
  if (!general && field.name != "rflags") return false;
  return !((load_le<u64>(field.in(first)) ^ load_le<u64>(field.in(second))) & ~bits);
}

Gpa address_of(const mem::GuestMemory& memory, u64 offset) {
  constexpr u64 kBesideRam = u64{1} << 52;
  if (offset >= memory.size()) return Gpa{kBesideRam + (offset - memory.size())};
  return Gpa{offset < memory.low_size() ? offset : offset - memory.low_size() + mem::kHighRamStart};
}

std::string text_of(const CpuState& state) {
  std::string out, line;
  for (const StateField& field : state_fields()) {
    const u8* bytes = field.in(state);
    if (std::all_of(bytes, bytes + field.size, [](u8 b) { return b == 0; })) continue;
    const std::string item = fmt::format(" {}={}", field.name, text_of(field, state));
    if (line.size() + item.size() > 110) out += " " + std::exchange(line, "") + "\n";
    line += item;
  }
  return out + " " + line + "\n";
}

std::string text_of(const std::vector<Change>& fields, const CpuState* before) {
  const auto at_first = [&](const std::string& name) {
    const auto field = std::ranges::find(state_fields(), name, &StateField::name);
    return field == state_fields().end() ? "" : "   before: " + text_of(*field, *before);
  };
  std::string out;
  for (const Change& c : fields)
    out += fmt::format("  {:8} {} | {}{}\n", c.name, c.first, c.second, before ? at_first(c.name) : "");
  return out;
}

std::string text_of(const std::vector<MemoryChange>& memory, u64 words) {
  std::string out;
  for (const MemoryChange& c : memory)
    out += fmt::format("  [{:#x}] {:016x} | {:016x}\n", raw(c.address), c.first, c.second);
  if (words) out += fmt::format("  {} words of memory differ\n", words);
  return out;
}

}  // namespace tandem::states
