// Watches the first serial port for regular expressions, which must appear in order.
#pragma once

#include <mutex>
#include <regex>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "devices/backend/char_backend.h"

namespace tandem::tools {

// Shared by the run and the back end that watches. [any-thread]
class Expectations {
 public:
  // Error: a pattern is no regular expression (ECMAScript).
  static Result<std::shared_ptr<Expectations>> create(const std::vector<std::string>& patterns);

  void feed(std::span<const u8> bytes);
  // The first pattern that has not appeared; empty where all have.
  std::string missing() const;

 private:
  void match_line();

  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
  std::vector<std::regex> patterns_;
  std::size_t next_ = 0;
  std::string line_;  // of output, behind the last match; without carriage returns
};

// Passes everything on to `inner`.
std::unique_ptr<devices::CharBackend> watch(std::unique_ptr<devices::CharBackend> inner,
                                            std::shared_ptr<Expectations> expectations);

}  // namespace tandem::tools
