// Settings of one guest: the rows of options.def as members, and their text forms.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::config {

using List = std::vector<std::string>;

struct Settings {
#define TEXT(key, initial, help) std::string key = initial;
#define NUMBER(key, initial, help) u64 key = initial;
#define SIZE(key, initial, help) u64 key = initial;  // bytes
#define LIST(key, help) List key;
#include "core/config/options.def"
#undef TEXT
#undef NUMBER
#undef SIZE
#undef LIST

  bool operator==(const Settings&) const = default;
};

enum class OptionKind : u8 { Text, Number, Size, List };

// One row of options.def.
struct Option {
  std::string_view key;
  OptionKind kind;
  std::string_view help;
  std::variant<std::string Settings::*, u64 Settings::*, List Settings::*> member;
};

// Bytes: a number of MiB, or one with K, M, G or T. None: it is no size.
std::optional<u64> parse_size(std::string_view text);

const std::vector<Option>& options();
// By key or alias; null where there is none.
const Option* find_option(std::string_view key);
// The key that is most like this one; empty where none is near.
std::string_view nearest_option(std::string_view key);

// A value as it came: a number may be given as text, one text is a list of one.
using Value = std::variant<u64, std::string, List>;
// Stores a value. Error: names the key and what it takes.
Result<void> set(Settings& settings, const Option& option, const Value& value);

// A guest file that gives these settings again: one line for each that is not empty.
std::string print(const Settings& settings);

}  // namespace tandem::config
