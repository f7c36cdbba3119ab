#include "core/config/settings.h"

#include <fmt/format.h>

#include <optional>

#include "core/base/numbers.h"
#include "core/config/nearest.h"

namespace tandem::config {

namespace {

std::optional<u64> scaled(u64 n, u64 unit) {
  u64 bytes;
  if (__builtin_mul_overflow(n, unit, &bytes)) return std::nullopt;
  return bytes;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string print_list(const List& list) {
  std::string out = "[";
  for (const std::string& item : list) out += (out.size() == 1 ? " " : ", ") + quote(item);
  return out + " ]";
}

std::string print_size(u64 bytes) {
  return bytes % MiB == 0 ? std::to_string(bytes / MiB) : quote(std::to_string(bytes / KiB) + "K");
}

Error wrong(const Option& option, std::string_view takes) {
  return user_error(fmt::format("{}: takes {}", option.key, takes));
}

Result<void> set_number(Settings& s, const Option& option, const Value& value) {
  const bool size = option.kind == OptionKind::Size;
  std::optional<u64> n;
  if (const u64* number = std::get_if<u64>(&value)) n = size ? scaled(*number, MiB) : *number;
  else if (const std::string* text = std::get_if<std::string>(&value))
    n = size ? parse_size(*text) : parse_number(*text);
  if (!n) return wrong(option, size ? "a size in MiB, or with K, M or G" : "a number");
  s.*std::get<u64 Settings::*>(option.member) = *n;
  return {};
}

constexpr std::string_view kAliases[][2] = {
    {"extra", "cmdline"}, {"maxmem", "memory"}, {"debug-exit", "debug_exit"}};

}  // namespace

std::optional<u64> parse_size(std::string_view text) {
  u64 unit = MiB;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K': unit = KiB; break;
      case 'm':
      case 'M': unit = MiB; break;
      case 'g':
      case 'G': unit = GiB; break;
      case 't':
      case 'T': unit = 1024 * GiB; break;
      default: unit = 0;
    }
    if (unit) text.remove_suffix(1);
    else unit = MiB;
  }
  const auto n = parse_number(text);
  return n ? scaled(*n, unit) : std::nullopt;
}

const std::vector<Option>& options() {
  static const std::vector<Option> rows = {
#define TEXT(key, initial, help) {#key, OptionKind::Text, help, &Settings::key},
#define NUMBER(key, initial, help) {#key, OptionKind::Number, help, &Settings::key},
#define SIZE(key, initial, help) {#key, OptionKind::Size, help, &Settings::key},
#define LIST(key, help) {#key, OptionKind::List, help, &Settings::key},
#include "core/config/options.def"
#undef TEXT
#undef NUMBER
#undef SIZE
#undef LIST
  };
  return rows;
}

const Option* find_option(std::string_view key) {
  for (const auto& [alias, real] : kAliases)
    if (key == alias) key = real;
  for (const Option& option : options())
    if (option.key == key) return &option;
  return nullptr;
}

std::string_view nearest_option(std::string_view key) {
  std::vector<std::string_view> keys;
  for (const Option& option : options()) keys.push_back(option.key);
  return nearest(key, keys);
}

Result<void> set(Settings& s, const Option& option, const Value& value) {
  switch (option.kind) {
    case OptionKind::Number:
    case OptionKind::Size: return set_number(s, option, value);
    case OptionKind::Text:
      if (const u64* n = std::get_if<u64>(&value))
        s.*std::get<std::string Settings::*>(option.member) = std::to_string(*n);
      else if (const std::string* text = std::get_if<std::string>(&value))
        s.*std::get<std::string Settings::*>(option.member) = *text;
      else return wrong(option, "one text, no list");
      return {};
    case OptionKind::List: {
      List& list = s.*std::get<List Settings::*>(option.member);
      if (const List* items = std::get_if<List>(&value)) list = *items;
      else if (const std::string* text = std::get_if<std::string>(&value)) list = {*text};
      else list = {std::to_string(std::get<u64>(value))};
      return {};
    }
  }
  return {};
}

std::string print(const Settings& s) {
  std::string out;
  for (const Option& option : options()) {
    std::string value;
    if (const auto* text = std::get_if<std::string Settings::*>(&option.member)) {
      if (!(s.**text).empty()) value = quote(s.**text);
    } else if (const auto* list = std::get_if<List Settings::*>(&option.member)) {
      if (!(s.**list).empty()) value = print_list(s.**list);
    } else {
      const u64 n = s.*std::get<u64 Settings::*>(option.member);
      if (n) value = option.kind == OptionKind::Size ? print_size(n) : std::to_string(n);
    }
    if (!value.empty()) out += fmt::format("{} = {}\n", option.key, value);
  }
  return out;
}

}  // namespace tandem::config
