#include "core/trace/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"

namespace tandem::trace {

namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    if (end) all.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

}  // namespace

const std::vector<PointInfo>& points() {
  static const std::vector<PointInfo> rows = {
#define POINT(name, values, help) {#name, split(values, ' '), help},
#include "core/trace/trace_points.def"
#undef POINT
  };
  return rows;
}

std::string to_text(const Record& r) {
  const PointInfo& info = points()[r.point];
  std::string out =
      fmt::format("{}.{:09} {}", raw(r.time) / 1'000'000'000, raw(r.time) % 1'000'000'000, info.name);
  for (std::size_t i = 0; i < r.count; ++i)
    out += r.values[i] < 10 ? fmt::format(" {}={}", info.values[i], r.values[i])
                            : fmt::format(" {}={:#x}", info.values[i], r.values[i]);
  return out;
}

void Trace::start(Filter filter, std::unique_ptr<Sink> sink) {
  filter_ = std::move(filter);
  sink_ = std::move(sink);
  for (std::size_t i = 0; i < kPoints; ++i) on_[i] = filter_.wants(static_cast<Point>(i));
}

void Trace::write(Point point, GuestNs time, std::initializer_list<u64> values) {
  Record r{time, static_cast<u16>(point), static_cast<u16>(values.size()), {}};
  ensure(values.size() == points()[r.point].values.size(), "a trace point has the values that its row names");
  std::copy(values.begin(), values.end(), r.values.begin());
  if (filter_.takes(r)) sink_->take(r);
}

}  // namespace tandem::trace
