// SizeChoice: whether it was the user who gave a window its size.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

namespace tandem::frontend {

struct WindowSize {
  int width = 0, height = 0;
  friend bool operator==(const WindowSize&, const WindowSize&) = default;
};

// A window manager answers in its own time, so that sizes asked for one after the other may come much later:
// each of them is taken for an answer until the user has chosen another.
class SizeChoice {
 public:
  using Clock = std::chrono::steady_clock;

  // The program itself asks for it.
  void asked(WindowSize size) {
    if (std::ranges::find(asked_, size) == asked_.end()) asked_.push_back(size);
  }
  void changed(WindowSize size, Clock::time_point now) {
    untold_ = std::ranges::find(asked_, size) == asked_.end();
    chosen_at_ = untold_ ? std::optional(now) : std::nullopt;
  }
  // True, once, when the size that the user chose has stood for a while: a change of mode takes the guest
  // one.
  bool has_settled(Clock::time_point now) {
    constexpr auto kStands = std::chrono::milliseconds(250);
    if (!untold_ || now - *chosen_at_ < kStands) return false;
    asked_.clear();
    untold_ = false;
    return true;
  }
  // A mode that comes now is the guest's answer to it, or comes while the user is still at it.
  bool is_recent(Clock::time_point now) const {
    constexpr auto kModeTakes = std::chrono::seconds(3);
    return chosen_at_ && now - *chosen_at_ <= kModeTakes;
  }

 private:
  std::vector<WindowSize> asked_;
  std::optional<Clock::time_point> chosen_at_;
  bool untold_ = false;
};

}  // namespace tandem::frontend
