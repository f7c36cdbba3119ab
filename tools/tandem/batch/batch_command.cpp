// tandem batch: a suite of guests, from its file to a report.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "tools/tandem/batch/reports.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

constexpr int kSomeFailed = 1, kInterrupted = 130;

struct Request {
  std::string suite, output = "batch-results", junit, json;
  SuiteOptions options;
  u64 jobs = 1;
  bool list = false;
};

Result<u64> number(std::string_view key, const std::string& text, u64 least) {
  char* end = nullptr;
  const u64 n = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end || n < least)
    return user_error(fmt::format("{}: takes a number from {} on", key, least));
  return n;
}

Result<void> set_shard(SuiteOptions& options, const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return user_error("--shard: takes I/N, with I from 1 to N");
  TANDEM_TRY_ASSIGN(i, number("--shard", text.substr(0, slash), 1));
  TANDEM_TRY_ASSIGN(n, number("--shard", text.substr(slash + 1), 1));
  if (i > n) return user_error("--shard: takes I/N, with I from 1 to N");
  options.shard = static_cast<unsigned>(i - 1);
  options.shards = static_cast<unsigned>(n);
  return {};
}

Result<void> set(Request& r, std::string_view key, const std::string& value) {
  if (key == "-j" || key == "--slow") {
    TANDEM_TRY_ASSIGN(n, number(key, value, 1));
    (key == "-j" ? r.jobs : r.options.slow) = n;
  } else if (key == "--set") {
    const std::size_t equals = value.find('=');
    if (equals == std::string::npos) return user_error("--set: takes NAME=VALUE");
    r.options.variables[value.substr(0, equals)] = value.substr(equals + 1);
  } else if (key == "--shard") {
    return set_shard(r.options, value);
  } else if (key == "--only") {
    r.options.only = value;
  } else if (key == "--output") {
    r.output = value;
  } else if (key == "--junit") {
    r.junit = value;
  } else if (key == "--json") {
    r.json = value;
  } else {
    return user_error(fmt::format("batch: {}: unexpected", key));
  }
  return {};
}

Result<Request> parse(Arguments arguments) {
  Request r;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--list") {
      r.list = true;
    } else if (a.starts_with("-j") && a.size() > 2) {
      TANDEM_TRY(set(r, "-j", std::string(a.substr(2))));
    } else if (a.starts_with("-")) {
      if (i + 1 == arguments.size()) return user_error(fmt::format("{}: a value is missing", a));
      TANDEM_TRY(set(r, a, arguments[++i]));
    } else if (!r.suite.empty()) {
      return user_error(fmt::format("batch: {}: unexpected", a));
    } else {
      r.suite = a;
    }
  }
  if (r.suite.empty()) return user_error("batch: which suite? tandem batch SUITE.toml [-j N]");
  return r;
}

Result<int> run(const Request& r) {
  TANDEM_TRY_ASSIGN(cases, read_suite(r.suite, r.options));
  if (r.list) {
    for (const BatchCase& c : cases) fmt::print("{}\n", c.name);
    return kOk;
  }
  Progress progress(cases.size(), isatty(STDOUT_FILENO));
  Runner runner(
      {std::filesystem::read_symlink("/proc/self/exe").string(), r.output, static_cast<unsigned>(r.jobs)},
      std::move(cases),
      {[&](const BatchResult& result) { progress.ended(result); },
       [&](const std::vector<std::string>& running) { progress.look(running); }});
  TANDEM_TRY_ASSIGN(results, runner.run());
  progress.clear();
  if (runner.interrupted()) return say("interrupted: every guest has been ended"), kInterrupted;
  const std::string name = std::filesystem::path(r.suite).stem().string();
  fmt::print("{}", summary_table(results));
  if (!r.junit.empty()) TANDEM_TRY(write_junit(r.junit, name, results));
  if (!r.json.empty()) TANDEM_TRY(write_json(r.json, name, results));
  for (const BatchResult& result : results)
    if (!result.passed) return kSomeFailed;
  return kOk;
}

}  // namespace

int batch_command(Arguments arguments) {
  auto request = parse(arguments);
  if (!request) return fail(request.error());
  auto status = run(request.value());
  return status ? status.value() : fail(status.error());
}

}  // namespace tandem::tools
