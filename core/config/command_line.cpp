#include "core/config/command_line.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "core/config/guest_file.h"

namespace tandem::config {

namespace {

struct Assignment {
  const Option* option;
  std::string value;
};

class Reader {
 public:
  explicit Reader(std::span<const char* const> arguments) : arguments_(arguments) {}

  Result<CommandLine> read() {
    for (; next_ < arguments_.size(); ++next_) {
      const std::string_view argument = arguments_[next_];
      if (argument == "--print-config") out_.print_config = true;
      else if (argument == "--help" || argument == "-h") out_.help = true;
      else if (argument.starts_with("--")) TANDEM_TRY(option(argument.substr(2)));
      else if (argument.starts_with("-"))
        return user_error(fmt::format("{}: options are written --key value", argument));
      else if (!file_.empty())
        return user_error(fmt::format("{}: one guest file is enough ({} came first)", argument, file_));
      else file_ = argument;
    }
    if (!file_.empty()) TANDEM_TRY(guest_file());
    TANDEM_TRY(apply());
    return std::move(out_);
  }

 private:
  Result<void> option(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view key = text.substr(0, equals);
    const Option* found = find_option(key);
    if (!found) {
      const std::string_view near = nearest_option(key);
      return user_error(fmt::format("--{}: unknown option{}", key,
                                    near.empty() ? "" : fmt::format(" (is --{} meant?)", near)));
    }
    if (equals != std::string_view::npos) {
      assignments_.push_back({found, std::string(text.substr(equals + 1))});
      return {};
    }
    if (next_ + 1 >= arguments_.size()) return user_error(fmt::format("--{}: a value is missing", key));
    assignments_.push_back({found, arguments_[++next_]});
    return {};
  }

  Result<void> guest_file() {
    std::ifstream in(file_, std::ios::binary);
    if (!in || std::filesystem::is_directory(file_))
      return user_error(fmt::format("{}: {}", file_, in ? "is a folder" : std::strerror(errno)));
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    TANDEM_TRY(parse_guest_file(text, file_, out_.settings, out_.warnings));
    if (out_.settings.name.empty()) out_.settings.name = std::filesystem::path(file_).stem().string();
    return {};
  }

  Result<void> apply() {
    std::set<std::string_view> seen;
    for (const Assignment& a : assignments_) {
      const bool again = !seen.insert(a.option->key).second;
      if (a.option->kind == OptionKind::List && again)
        (out_.settings.*std::get<List Settings::*>(a.option->member)).push_back(a.value);
      else if (auto stored = set(out_.settings, *a.option, a.value); !stored)
        return user_error("--" + stored.error().message);
    }
    return {};
  }

  std::span<const char* const> arguments_;
  std::size_t next_ = 0;
  std::string file_;
  std::vector<Assignment> assignments_;
  CommandLine out_;
};

}  // namespace

Result<CommandLine> parse_command_line(std::span<const char* const> arguments) {
  return Reader(arguments).read();
}

}  // namespace tandem::config
