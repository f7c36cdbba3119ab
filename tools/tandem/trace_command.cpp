// tandem trace: a trace file as text, or as a table of how often what happened.
#include <fmt/format.h>

#include "core/trace/trace_file.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

struct Request {
  std::string file, only = "*";
  bool summary = false, list = false;
};

Result<Request> parse(Arguments arguments) {
  Request r;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--summary") r.summary = true;
    else if (a == "--list") r.list = true;
    else if (a == "--only" && i + 1 < arguments.size()) r.only = arguments[++i];
    else if (a.starts_with("-") || !r.file.empty())
      return user_error(fmt::format("trace: {}: unexpected", a));
    else r.file = a;
  }
  if (r.file.empty() && !r.list)
    return user_error("trace: which file? tandem trace FILE [--only POINTS] [--summary]");
  return r;
}

int print_points() {
  for (const trace::PointInfo& p : trace::points())
    fmt::print("{:12} {:28} {}\n", p.name, fmt::to_string(fmt::join(p.values, " ")), p.help);
  return kOk;
}

Result<void> print_file(const Request& r) {
  TANDEM_TRY_ASSIGN(filter, trace::Filter::parse(r.only));
  TANDEM_TRY_ASSIGN(reader, trace::Reader::open(r.file));
  std::array<u64, trace::kPoints> counts{};
  for (;;) {
    TANDEM_TRY_ASSIGN(record, reader.next());
    if (!record) break;
    if (!filter.takes(*record)) continue;
    ++counts[record->point];
    if (!r.summary) fmt::print("{}\n", trace::to_text(*record));
  }
  for (std::size_t i = 0; r.summary && i < counts.size(); ++i)
    if (counts[i]) fmt::print("{:12} {}\n", trace::points()[i].name, counts[i]);
  return {};
}

}  // namespace

int trace_command(Arguments arguments) {
  auto request = parse(arguments);
  if (!request) return fail(request.error());
  if (request.value().list) return print_points();
  auto done = print_file(request.value());
  return done ? kOk : fail(done.error());
}

}  // namespace tandem::tools
