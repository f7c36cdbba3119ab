#include "core/config/guest_file.h"

#include <fmt/format.h>

#include <cctype>

namespace tandem::config {

namespace {

class Parser {
 public:
  Parser(std::string_view text, std::string_view name, Settings& settings, std::vector<std::string>& warnings)
      : text_(text), name_(name), settings_(settings), warnings_(warnings) {}

  Result<void> parse() {
    for (skip_blank_lines(); at_ < text_.size(); skip_blank_lines()) TANDEM_TRY(assignment());
    return {};
  }

 private:
  Error wrong(std::string_view what) const {
    return user_error(fmt::format("{}:{}: {}", name_, line_, what));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; }

  void skip_spaces() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) ++at_;
    if (at_ < text_.size() && peek() == '#')
      while (at_ < text_.size() && peek() != '\n') ++at_;
  }
  // Over line ends too, as inside a list.
  void skip_blank_lines() {
    for (skip_spaces(); at_ < text_.size() && (peek() == '\n' || peek() == ';'); skip_spaces()) {
      if (peek() == '\n') ++line_;
      ++at_;
    }
  }

  std::string_view word() {
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word(peek())) ++at_;
    return text_.substr(start, at_ - start);
  }

  Result<std::string> string() {
    const char end = text_[at_++];
    std::string out;
    for (;;) {
      if (at_ >= text_.size() || peek() == '\n') return wrong("a string without its end");
      char c = text_[at_++];
      if (c == end) return out;
      if (c == '\\' && (peek() == end || peek() == '\\')) c = text_[at_++];
      out += c;
    }
  }

  Result<Value> value() {
    const char c = peek();
    if (c == '"' || c == '\'') {
      TANDEM_TRY_ASSIGN(text, string());
      return Value(std::move(text));
    }
    if (c == '[') return list();
    const std::string_view digits = word();
    Settings scratch;
    const Option number{"", OptionKind::Number, "", &Settings::timeout};
    if (digits.empty() || !set(scratch, number, std::string(digits)))
      return wrong("a value is \"text\", a number, or [ a list ]");
    return Value(scratch.timeout);
  }

  Result<Value> list() {
    ++at_;
    List items;
    for (skip_blank_lines(); peek() != ']'; skip_blank_lines()) {
      if (at_ >= text_.size()) return wrong("a list without its ]");
      if (peek() == '[') return wrong("a list inside a list");
      TANDEM_TRY_ASSIGN(item, value());
      const u64* n = std::get_if<u64>(&item);
      items.push_back(n ? std::to_string(*n) : std::get<std::string>(item));
      skip_blank_lines();
      if (peek() == ',') ++at_;
      else if (at_ < text_.size() && peek() != ']') return wrong("items of a list need a comma between them");
    }
    ++at_;
    return Value(std::move(items));
  }

  Result<void> assignment() {
    const int line = line_;
    const std::string_view key = word();
    if (key.empty()) return wrong("a line is: key = value");
    skip_spaces();
    if (peek() != '=') return wrong(fmt::format("{}: an = is missing", key));
    ++at_;
    skip_spaces();
    TANDEM_TRY_ASSIGN(v, value());
    skip_spaces();
    if (at_ < text_.size() && peek() != '\n' && peek() != ';')
      return wrong(fmt::format("{}: more than one value", key));
    const Option* option = find_option(key);
    if (!option) {
      const std::string_view near = nearest_option(key);
      warnings_.push_back(fmt::format("{}:{}: unknown key {}{}", name_, line, key,
                                      near.empty() ? "" : fmt::format(" (is {} meant?)", near)));
      return {};
    }
    if (auto stored = set(settings_, *option, v); !stored)
      return user_error(fmt::format("{}:{}: {}", name_, line, stored.error().message));
    return {};
  }

  std::string_view text_, name_;
  Settings& settings_;
  std::vector<std::string>& warnings_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<void> parse_guest_file(std::string_view text, std::string_view name, Settings& settings,
                              std::vector<std::string>& warnings) {
  return Parser(text, name, settings, warnings).parse();
}

}  // namespace tandem::config
