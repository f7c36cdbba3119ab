#include "tools/tandem/batch/reports.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace tandem::tools {

namespace {

constexpr std::size_t kMostOutput = 64 * KiB;  // of a serial port, in a report

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

std::string verdict(const BatchResult& r) {
  if (!r.passed) return "FAIL";
  return r.attempts > 1 ? fmt::format("PASS (attempt {})", r.attempts) : "PASS";
}

// XML knows few control characters (XML 1.0, 2.2).
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\r': break;
      default:
        if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f)) out += c;
        else out += '?';
    }
  return out;
}

std::string end_of_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const auto size = static_cast<std::size_t>(in.tellg());
  std::string text(std::min(size, kMostOutput), '\0');
  in.seekg(static_cast<std::streamoff>(size - text.size()));
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  return text;
}

std::size_t failures(const std::vector<BatchResult>& results) {
  return static_cast<std::size_t>(
      std::ranges::count_if(results, [](const BatchResult& r) { return !r.passed; }));
}

double total_seconds(const std::vector<BatchResult>& results) {
  double sum = 0;
  for (const BatchResult& r : results) sum += r.seconds;
  return sum;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  if (!(out << text).flush()) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  return {};
}

}  // namespace

void Progress::ended(const BatchResult& r) {
  clear();
  ++done_;
  if (!r.passed) ++failed_;
  fmt::print("{} {} {:.1f} s{}\n", verdict(r), r.name, r.seconds, r.passed ? "" : ": " + r.reason);
  std::fflush(stdout);
}

void Progress::look(const std::vector<std::string>& running) {
  if (!terminal_) return;
  std::string line = fmt::format("[{}/{}, {} failed]", done_, total_, failed_);
  for (const std::string& name : running) line += " " + name;
  line.resize(std::min(line.size(), terminal_width() - 1));
  if (line == shown_) return;
  clear();
  fmt::print("{}", line);
  std::fflush(stdout);
  shown_ = line;
}

void Progress::clear() {
  if (!shown_.empty()) fmt::print("\r\033[K");
  shown_.clear();
}

std::string summary_table(const std::vector<BatchResult>& results) {
  std::size_t width = 4;
  for (const BatchResult& r : results) width = std::max(width, r.name.size());
  std::string out = fmt::format("\n{:{}}  {:>8}  {:>8}  result\n", "case", width, "seconds", "MiB");
  for (const BatchResult& r : results) {
    out += fmt::format("{:{}}  {:8.1f}  {:8}  {}\n", r.name, width, r.seconds, r.resident, verdict(r));
    if (!r.passed) out += fmt::format("    {}\n    kept in {}\n", r.reason, r.folder);
  }
  return out + fmt::format("{} of {} passed\n", results.size() - failures(results), results.size());
}

Result<void> write_junit(const std::string& path, const std::string& suite,
                         const std::vector<BatchResult>& results) {
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" time=\"{:.3f}\">\n",
      escape(suite), results.size(), failures(results), total_seconds(results));
  for (const BatchResult& r : results) {
    out += fmt::format("<testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\"", escape(suite),
                       escape(r.name), r.seconds);
    if (r.passed) {
      out += "/>\n";
      continue;
    }
    out += fmt::format(
        ">\n<failure "
        "message=\"{}\"/>\n<system-out>{}</system-out>\n<system-err>{}</system-err>\n</testcase>\n",
        escape(r.reason), escape(end_of_file(r.folder + "/serial.log")),
        escape(end_of_file(r.folder + "/log")));
  }
  return write_file(path, out + "</testsuite>\n</testsuites>\n");
}

Result<void> write_json(const std::string& path, const std::string& suite,
                        const std::vector<BatchResult>& results) {
  using Json = nlohmann::json;
  Json cases = Json::array();
  for (const BatchResult& r : results)
    cases.push_back({{"name", r.name},
                     {"passed", r.passed},
                     {"reason", r.reason},
                     {"seconds", r.seconds},
                     {"attempts", r.attempts},
                     {"status", r.status},
                     {"resident_mib", r.resident},
                     {"folder", r.folder}});
  const Json all = {{"suite", suite},
                    {"passed", results.size() - failures(results)},
                    {"failed", failures(results)},
                    {"cases", cases}};
  return write_file(path, all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace tandem::tools
