#include "tests/isa/state_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <sstream>

namespace tandem::tests {

namespace {

constexpr const char* kGprNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr unsigned kStBytes = 10;

// A little-endian value as a number without leading zeros.
std::string number_text(const u8* data, unsigned size) {
  std::string out;
  for (unsigned i = size; i-- > 0;) out += fmt::format("{:02x}", data[i]);
  out.erase(0, std::min(out.find_first_not_of('0'), out.size() - 1));
  return out;
}

template <class T>
Field field(std::string key, T& value) {
  return {std::move(key), reinterpret_cast<u8*>(&value), sizeof value};
}

std::string memory_difference(const RunState& base, const RunState& state) {
  std::string out;
  for (std::size_t i = 0; i < kWindowSize;) {
    if (base.window[i] == state.window[i]) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < kWindowSize && base.window[end] != state.window[end]) ++end;
    out += fmt::format(" mem+{:x}={}", i, to_hex(std::span(state.window).subspan(i, end - i)));
    i = end;
  }
  return out;
}

Result<void> apply_number(const Field& f, std::string text) {
  if (text.size() % 2) text.insert(0, "0");
  TANDEM_TRY_ASSIGN(bytes, from_hex(text));
  if (bytes.size() > f.size) return user_error(f.key + ": too long");
  std::memset(f.data, 0, f.size);
  std::reverse_copy(bytes.begin(), bytes.end(), f.data);
  return {};
}

Result<void> apply_memory(const std::string& key, const std::string& value, RunState& state) {
  const u64 offset = std::stoull(key.substr(4), nullptr, 16);
  TANDEM_TRY_ASSIGN(bytes, from_hex(value));
  if (offset > kWindowSize || bytes.size() > kWindowSize - offset)
    return user_error(key + ": outside of the window");
  std::copy(bytes.begin(), bytes.end(), state.window.begin() + static_cast<i64>(offset));
  return {};
}

Result<void> apply_fault(const std::string& value, RunState& state) {
  RunFault f;
  unsigned vector = 0;
  unsigned long long address = 0;
  if (std::sscanf(value.c_str(), "%u:%x@%llx", &vector, &f.code, &address) != 3)
    return user_error("fault: " + value);
  f.vector = static_cast<u8>(vector);
  f.address = address;
  state.fault = f;
  return {};
}

}  // namespace

std::vector<Field> fields(RunState& s) {
  std::vector<Field> all;
  for (unsigned i = 0; i < 16; ++i) all.push_back(field(kGprNames[i], s.gpr[i]));
  all.push_back(field("flags", s.rflags));
  all.push_back(field("mxcsr", s.vector.mxcsr));
  for (unsigned i = 0; i < 32; ++i) all.push_back(field(fmt::format("v{}", i), s.vector.zmm[i].bytes));
  for (unsigned i = 0; i < 8; ++i) all.push_back(field(fmt::format("k{}", i), s.vector.k[i]));
  all.push_back(field("fcw", s.vector.x87.fcw));
  all.push_back(field("fsw", s.vector.x87.fsw));
  all.push_back(field("ftw", s.vector.x87.ftw_abridged));
  for (unsigned i = 0; i < 8; ++i) all.push_back({fmt::format("st{}", i), s.vector.x87.st[i], kStBytes});
  return all;
}

RunState default_state() {
  RunState s;
  s.gpr[cpu::kRsp] = kWindowAddress + kWindowSize / 2;
  s.gpr[cpu::kRbx] = kWindowAddress + kWindowSize / 4;
  return s;
}

std::string difference(const RunState& base, const RunState& state) {
  RunState a = base, b = state;
  std::string out;
  const std::vector<Field> before = fields(a), after = fields(b);
  for (std::size_t i = 0; i < before.size(); ++i)
    if (std::memcmp(before[i].data, after[i].data, after[i].size) != 0)
      out += fmt::format(" {}={}", after[i].key, number_text(after[i].data, after[i].size));
  out += memory_difference(base, state);
  if (base.rip != state.rip) out += fmt::format(" rip=+{:x}", state.rip - kCodeAddress);
  if (state.fault && base.fault != state.fault)
    out += fmt::format(" fault={}:{:x}@{:x}", state.fault->vector, state.fault->code, state.fault->address);
  if (!state.fault && base.fault) out += " nofault=";
  return out.empty() ? out : out.substr(1);
}

Result<void> apply(const std::string& text, RunState& state) {
  const std::vector<Field> all = fields(state);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) return user_error(word + ": no value");
    const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    const auto known = std::find_if(all.begin(), all.end(), [&](const Field& f) { return f.key == key; });
    if (known != all.end()) TANDEM_TRY(apply_number(*known, value));
    else if (key.starts_with("mem+")) TANDEM_TRY(apply_memory(key, value, state));
    else if (key == "rip") state.rip = kCodeAddress + std::stoull(value.substr(1), nullptr, 16);
    else if (key == "fault") TANDEM_TRY(apply_fault(value, state));
    else return user_error(key + ": no such field");
  }
  return {};
}

std::string to_hex(std::span<const u8> bytes) {
  std::string out;
  for (u8 b : bytes) out += fmt::format("{:02x}", b);
  return out;
}

Result<std::vector<u8>> from_hex(const std::string& text) {
  std::vector<u8> out;
  if (text.size() % 2) return user_error(text + ": an odd number of digits");
  for (std::size_t i = 0; i < text.size(); i += 2) {
    char* end = nullptr;
    const std::string pair = text.substr(i, 2);
    out.push_back(static_cast<u8>(std::strtoul(pair.c_str(), &end, 16)));
    if (*end) return user_error(text + ": not hexadecimal");
  }
  return out;
}

}  // namespace tandem::tests
