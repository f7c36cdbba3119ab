#include "tools/tandem/expect.h"

#include <fmt/format.h>

namespace tandem::tools {

namespace {

constexpr std::size_t kMaxLine = 4096;  // a longer one loses its beginning

class Watcher final : public devices::CharBackend {
 public:
  Watcher(std::unique_ptr<devices::CharBackend> inner, std::shared_ptr<Expectations> expectations)
      : inner_(std::move(inner)), expectations_(std::move(expectations)) {}
  void attach(devices::CharReceiver* receiver) override { inner_->attach(receiver); }
  bool can_write() override { return inner_->can_write(); }
  void write(std::span<const u8> bytes) override {
    inner_->write(bytes);
    expectations_->feed(bytes);
  }
  void input_wanted() override { inner_->input_wanted(); }
  void flush() override { inner_->flush(); }

 private:
  std::unique_ptr<devices::CharBackend> inner_;
  std::shared_ptr<Expectations> expectations_;
};

}  // namespace

Result<std::shared_ptr<Expectations>> Expectations::create(const std::vector<std::string>& patterns) {
  auto e = std::make_shared<Expectations>();
  for (const std::string& p : patterns) {
    try {
      e->patterns_.emplace_back(p, std::regex::ECMAScript | std::regex::optimize);
    } catch (const std::regex_error& error) {
      return user_error(fmt::format("expect: '{}' is no regular expression: {}", p, error.what()));
    }
    e->texts_.push_back(p);
  }
  return e;
}

void Expectations::feed(std::span<const u8> bytes) {
  std::lock_guard lock(mutex_);
  if (next_ == patterns_.size()) return;
  for (u8 b : bytes) {
    if (b == '\r') continue;
    if (b == '\n') {
      line_.clear();
      continue;
    }
    if (line_.size() >= kMaxLine) line_.erase(0, kMaxLine / 2);
    line_.push_back(static_cast<char>(b));
    match_line();
  }
}

// Prompts have no line end, so each new character may complete a match.
void Expectations::match_line() {
  std::smatch found;
  while (next_ < patterns_.size() && std::regex_search(line_, found, patterns_[next_])) {
    line_.erase(0, static_cast<std::size_t>(found.position() + found.length()));
    ++next_;
  }
}

std::string Expectations::missing() const {
  std::lock_guard lock(mutex_);
  return next_ < texts_.size() ? texts_[next_] : "";
}

std::unique_ptr<devices::CharBackend> watch(std::unique_ptr<devices::CharBackend> inner,
                                            std::shared_ptr<Expectations> expectations) {
  return std::make_unique<Watcher>(std::move(inner), std::move(expectations));
}

}  // namespace tandem::tools
