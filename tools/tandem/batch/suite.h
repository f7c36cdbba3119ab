// A suite: guests to be run, as a TOML file describes them (docs/batch.md).
#pragma once

#include <map>
#include <regex>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::tools {

// One run of one guest.
struct BatchCase {
  std::string name;                    // guest/value-value; unique
  std::vector<std::string> arguments;  // of tandem run: the guest file, --key=value
  bool has_display = false;
  int status = 0;                   // that it is to end with
  u64 timeout = 0;                  // seconds
  unsigned retries = 0;             // further attempts where it fails
  u64 max_resident = 0;             // MiB of host memory; 0: any
  std::vector<std::string> forbid;  // regular expressions that no line of the first serial port may match
};

struct SuiteOptions {
  std::map<std::string, std::string> variables;  // over those of the file
  std::string only;                              // regular expression: names to run; empty: all
  unsigned shard = 0, shards = 1;                // every shards-th, from this one on
  u64 slow = 1;                                  // factor for time limits; above 1, none for memory
};

// Error: one line that names the file, and the guest where there is one. Every case's settings are good.
Result<std::vector<BatchCase>> read_suite(const std::string& path, const SuiteOptions& options);

}  // namespace tandem::tools
