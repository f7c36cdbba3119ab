#include "tools/tandem/display/figures.h"

#include <utility>

namespace tandem::tools {

void Figures::update(const Json& stats, Clock::time_point now) {
  const u64 all = stats.value("retired", u64{0});
  const u64 translated = stats.value("counters", Json::object()).value("jit.retired", u64{0});
  const double seconds = std::chrono::duration<double>(now - std::exchange(at_, now)).count();
  // A reset begins anew.
  const auto since = [](u64 count, u64& last) {
    const u64 before = std::exchange(last, count);
    return static_cast<double>(count >= before ? count - before : count);
  };
  const double run = since(all, retired_), run_translated = std::min(since(translated, translated_), run);
  million_per_second_ = seconds > 0 ? run / seconds / 1e6 : 0;
  const double share = run > 0 ? run_translated / run : 0;
  shares_ = {{"translated", share}, {"interpreted", run > 0 ? 1 - share : 0}};
}

}  // namespace tandem::tools
