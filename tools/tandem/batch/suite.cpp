#include "tools/tandem/batch/suite.h"

#include <fmt/format.h>

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/config/command_line.h"
#include "core/config/nearest.h"
#include "core/config/settings.h"

namespace tandem::tools {

namespace {

constexpr u64 kDefaultTimeout = 300;
// Keys of a guest that are the suite's own; all others are settings.
constexpr std::string_view kOwnKeys[] = {"name",   "config",  "matrix", "exclude",
                                         "status", "retries", "forbid", "max_resident"};

using Texts = std::vector<std::string>;
using Values = std::map<std::string, Texts>;  // by key; one text, or a list's

bool is_own(std::string_view key) { return std::ranges::find(kOwnKeys, key) != std::end(kOwnKeys); }

std::optional<std::string> scalar(const toml::node& node) {
  if (const auto s = node.value_exact<std::string>()) return *s;
  if (const auto n = node.value_exact<i64>()) return std::to_string(*n);
  if (const auto b = node.value_exact<bool>()) return *b ? "1" : "0";
  return std::nullopt;
}

Result<Texts> texts(std::string_view key, const toml::node& node) {
  Texts all;
  if (const auto one = scalar(node)) return Texts{*one};
  const toml::array* array = node.as_array();
  if (!array) return user_error(fmt::format("{}: takes a text, a number, or a list of them", key));
  for (const toml::node& item : *array) {
    const auto text = scalar(item);
    if (!text) return user_error(fmt::format("{}: takes a list of texts or numbers", key));
    all.push_back(*text);
  }
  return all;
}

Result<void> check_key(std::string_view key) {
  if (is_own(key) || config::find_option(key)) return {};
  std::string_view near = config::nearest_option(key);
  if (near.empty()) near = config::nearest(key, {std::begin(kOwnKeys), std::end(kOwnKeys)});
  return user_error(
      fmt::format("{}: unknown key{}", key, near.empty() ? "" : fmt::format(" (is {} meant?)", near)));
}

Result<Values> read_values(const toml::table& table, const Values& defaults) {
  Values values = defaults;
  for (const auto& [key, node] : table) {
    TANDEM_TRY(check_key(key.str()));
    if (key == "matrix" || key == "exclude") continue;
    TANDEM_TRY_ASSIGN(all, texts(key.str(), node));
    values[std::string(key.str())] = std::move(all);
  }
  return values;
}

// ${name} becomes the variable's value.
Result<std::string> substitute(const std::string& text, const std::map<std::string, std::string>& variables) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t start; (start = text.find("${", at)) != std::string::npos;) {
    const std::size_t end = text.find('}', start);
    if (end == std::string::npos) break;
    const std::string name = text.substr(start + 2, end - start - 2);
    const auto found = variables.find(name);
    if (found == variables.end())
      return user_error(fmt::format("${{{}}}: there is no such variable; --set {}=VALUE", name, name));
    out += text.substr(at, start - at) + found->second;
    at = end + 1;
  }
  return out + text.substr(at);
}

Result<u64> number(const Values& values, const std::string& key, u64 otherwise) {
  const auto found = values.find(key);
  if (found == values.end()) return otherwise;
  const std::string& text = found->second.empty() ? std::string() : found->second[0];
  char* end = nullptr;
  const u64 n = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end) return user_error(fmt::format("{}: takes a number", key));
  return n;
}

std::string one(const Values& values, const std::string& key) {
  const auto found = values.find(key);
  return found == values.end() || found->second.empty() ? "" : found->second[0];
}

// A combination of the matrix: keys in alphabetical order.
struct Choice {
  std::string key, value;
  std::string short_value;  // for names
};
using Row = std::vector<Choice>;

bool are_unique(const Texts& texts) { return std::set(texts.begin(), texts.end()).size() == texts.size(); }

// Values as names of cases have them: of paths, no more than tells them from each other.
Texts short_values(const Texts& values) {
  namespace fs = std::filesystem;
  const auto all = [&](auto shorten) {
    Texts out;
    for (const std::string& value : values) {
      const std::string text = shorten(fs::path(value));
      out.push_back(text.empty() ? value : text);
      std::erase(out.back(), '!');
    }
    return out;
  };
  Texts names = all([](const fs::path& p) { return p.filename().string(); });
  if (!are_unique(names))
    names = all(
        [](const fs::path& p) { return p.parent_path().filename().string() + "-" + p.filename().string(); });
  if (!are_unique(names)) names = all([](const fs::path& p) { return p.string(); });
  return names;
}

class Guest {
 public:
  Guest(const toml::table& table, const Values& defaults, const SuiteOptions& options,
        const std::map<std::string, std::string>& variables)
      : table_(table), defaults_(defaults), options_(options), variables_(variables) {}

  Result<void> expand(std::vector<BatchCase>& cases) {
    TANDEM_TRY_ASSIGN(values, read_values(table_, defaults_));
    if (one(values, "name").empty()) return user_error("a guest without a name");
    TANDEM_TRY_ASSIGN(rows, matrix());
    for (const Row& row : rows) {
      if (excluded(row)) continue;
      auto made = make(values, row);
      if (!made) return std::move(made.error()).in(case_name(one(values, "name"), row));
      cases.push_back(made.take());
    }
    return {};
  }

 private:
  Result<std::vector<Row>> matrix() {
    std::vector<Row> rows = {{}};
    const toml::table* matrix = table_["matrix"].as_table();
    if (!matrix) return rows;
    for (const auto& [key, node] : *matrix) {
      TANDEM_TRY(check_key(key.str()));
      TANDEM_TRY_ASSIGN(choices, texts(key.str(), node));
      const Texts names = short_values(choices);
      std::vector<Row> longer;
      for (const Row& row : rows)
        for (std::size_t i = 0; i < choices.size(); ++i) {
          longer.push_back(row);
          longer.back().push_back({std::string(key.str()), choices[i], names[i]});
        }
      rows = std::move(longer);
    }
    return rows;
  }

  bool excluded(const Row& row) const {
    const toml::array* all = table_["exclude"].as_array();
    if (!all) return false;
    return std::any_of(all->begin(), all->end(), [&](const toml::node& node) {
      const toml::table* rule = node.as_table();
      return rule && !rule->empty() && std::all_of(rule->begin(), rule->end(), [&](const auto& pair) {
               return std::any_of(row.begin(), row.end(), [&](const auto& of) {
                 return of.key == pair.first.str() && of.value == scalar(pair.second).value_or("");
               });
             });
    });
  }

  static std::string case_name(const std::string& guest, const Row& row) {
    std::string name = guest;
    for (const Choice& c : row) name += (name == guest ? "/" : "-") + c.short_value;
    return name;
  }

  Result<BatchCase> make(Values values, const Row& row) {
    std::map<std::string, std::string> variables = variables_;
    for (const Choice& c : row) {
      values[c.key] = {c.value};
      variables[c.key] = c.value;
    }
    for (auto& [key, all] : values)
      for (std::string& text : all) {
        TANDEM_TRY_ASSIGN(complete, substitute(text, variables));
        text = std::move(complete);
      }
    BatchCase c;
    c.name = case_name(one(values, "name"), row);
    TANDEM_TRY_ASSIGN(status, number(values, "status", 0));
    TANDEM_TRY_ASSIGN(retries, number(values, "retries", 0));
    TANDEM_TRY_ASSIGN(timeout, number(values, "timeout", kDefaultTimeout));
    TANDEM_TRY_ASSIGN(resident, number(values, "max_resident", 0));
    c.status = static_cast<int>(status);
    c.retries = static_cast<unsigned>(std::min<u64>(retries, 100));
    c.timeout = std::min<u64>(timeout, 1'000'000) * options_.slow;
    c.max_resident = options_.slow > 1 ? 0 : resident;
    values["timeout"] = {std::to_string(c.timeout)};
    TANDEM_TRY(read_forbidden(values, c));
    TANDEM_TRY(read_settings(values, c));
    return c;
  }

  static Result<void> read_forbidden(const Values& values, BatchCase& c) {
    const auto found = values.find("forbid");
    if (found == values.end()) return {};
    c.forbid = found->second;
    for (const std::string& pattern : c.forbid) try {
        const std::regex checked(pattern, std::regex::ECMAScript);
      } catch (const std::regex_error& error) {
        return user_error(fmt::format("forbid: '{}' is no regular expression: {}", pattern, error.what()));
      }
    return {};
  }

  static Result<void> read_settings(const Values& values, BatchCase& c) {
    if (const std::string file = one(values, "config"); !file.empty()) c.arguments.push_back(file);
    for (const auto& [key, all] : values)
      for (const std::string& text : all)
        if (!is_own(key)) c.arguments.push_back(fmt::format("--{}={}", key, text));
    std::vector<const char*> arguments;
    for (const std::string& a : c.arguments) arguments.push_back(a.c_str());
    TANDEM_TRY_ASSIGN(line, config::parse_command_line(arguments));
    c.has_display = line.settings.kernel.empty() && line.settings.vga != "none";
    if (line.settings.display.empty()) c.arguments.push_back("--display=none");
    return {};
  }

  const toml::table& table_;
  const Values& defaults_;
  const SuiteOptions& options_;
  const std::map<std::string, std::string>& variables_;
};

Result<std::vector<BatchCase>> choose(std::vector<BatchCase> all, const SuiteOptions& options) {
  std::vector<BatchCase> chosen;
  try {
    const std::regex only(options.only, std::regex::ECMAScript);
    std::erase_if(all, [&](const BatchCase& c) { return !std::regex_search(c.name, only); });
  } catch (const std::regex_error& error) {
    return user_error(fmt::format("--only: '{}' is no regular expression: {}", options.only, error.what()));
  }
  for (std::size_t i = options.shard; i < all.size(); i += options.shards)
    chosen.push_back(std::move(all[i]));
  return chosen;
}

Result<std::vector<BatchCase>> read(const toml::table& file, const SuiteOptions& options) {
  for (const auto& [key, node] : file)
    if (key != "variables" && key != "defaults" && key != "guest")
      return user_error(
          fmt::format("{}: unknown; there are [variables], [defaults] and [[guest]]", key.str()));
  std::map<std::string, std::string> variables;
  if (const toml::table* table = file["variables"].as_table())
    for (const auto& [key, node] : *table) variables[std::string(key.str())] = scalar(node).value_or("");
  for (const auto& [key, value] : options.variables) variables[key] = value;
  Values defaults;
  if (const toml::table* table = file["defaults"].as_table()) {
    auto values = read_values(*table, {});
    if (!values) return std::move(values.error()).in("defaults");
    defaults = values.take();
  }
  const toml::array* guests = file["guest"].as_array();
  if (!guests || guests->empty()) return user_error("no [[guest]]");
  std::vector<BatchCase> cases;
  std::set<std::string> names;
  for (const toml::node& node : *guests) {
    if (!node.is_table()) return user_error("guest: takes [[guest]] tables");
    TANDEM_TRY(Guest(*node.as_table(), defaults, options, variables).expand(cases));
  }
  for (const BatchCase& c : cases)
    if (!names.insert(c.name).second) return user_error(c.name + ": two guests of this name");
  return choose(std::move(cases), options);
}

}  // namespace

Result<std::vector<BatchCase>> read_suite(const std::string& path, const SuiteOptions& options) {
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    return user_error(line ? fmt::format("{}:{}: {}", path, line, error.description())
                           : fmt::format("{}: {}", path, error.description()));
  }
  auto cases = read(file, options);
  if (!cases) return std::move(cases.error()).in(path);
  return cases;
}

}  // namespace tandem::tools
