// What a batch says of itself: lines while it runs, a table, JUnit XML and JSON.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"
#include "tools/tandem/batch/runner.h"

namespace tandem::tools {

// A line that is drawn anew on a terminal; plain lines elsewhere.
class Progress {
 public:
  Progress(std::size_t total, bool terminal) : total_(total), terminal_(terminal) {}
  ~Progress() { clear(); }
  void ended(const BatchResult& result);
  void look(const std::vector<std::string>& running);

  void clear();  // the line that is drawn anew

 private:
  std::size_t total_, done_ = 0, failed_ = 0;
  bool terminal_;
  std::string shown_;
};

std::string summary_table(const std::vector<BatchResult>& results);
Result<void> write_junit(const std::string& path, const std::string& suite,
                         const std::vector<BatchResult>& results);
Result<void> write_json(const std::string& path, const std::string& suite,
                        const std::vector<BatchResult>& results);

}  // namespace tandem::tools
