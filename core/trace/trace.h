// Trace points: what a machine did when, for those who ask. A point that nobody asked for costs one load.
#pragma once

#include <array>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::trace {

enum class Point : u16 {
#define POINT(name, values, help) name,
#include "core/trace/trace_points.def"
#undef POINT
  kCount
};
inline constexpr std::size_t kPoints = static_cast<std::size_t>(Point::kCount);
inline constexpr std::size_t kMostValues = 5;

struct PointInfo {
  std::string_view name;
  std::vector<std::string_view> values;
  std::string_view help;
};
const std::vector<PointInfo>& points();

struct Record {
  GuestNs time{};
  u16 point = 0;
  u16 count = 0;
  std::array<u64, kMostValues> values{};
};

// Which records are wanted: NAME or NAME*, then [value=N] or [value=N-N,...]; several with commas between.
class Filter {
 public:
  static Result<Filter> parse(std::string_view text);
  bool wants(Point point) const { return !rules_[static_cast<std::size_t>(point)].empty(); }
  bool takes(const Record& record) const;

 private:
  struct Condition {
    std::size_t value;
    u64 first, last;
  };
  using Rule = std::vector<Condition>;            // all must hold
  std::array<std::vector<Rule>, kPoints> rules_;  // one of a point's must
};

// "12.345678901 port_write vcpu=0 address=0x3f8 size=1 value=0x41"
std::string to_text(const Record& record);

// Where records go. [any-thread]
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void take(const Record& record) = 0;
};

class Trace {
 public:
  // Before the machine runs.
  void start(Filter filter, std::unique_ptr<Sink> sink);
  bool on(Point point) const { return on_[static_cast<std::size_t>(point)].load(std::memory_order_relaxed); }
  // Only where on(). values: as the row names them.
  void write(Point point, GuestNs time, std::initializer_list<u64> values);

 private:
  std::array<std::atomic<bool>, kPoints> on_{};
  Filter filter_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace tandem::trace
