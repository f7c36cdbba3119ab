// Trace files: little-endian records of 56 bytes behind a header that names the points, so that a later build
// reads them too.
#pragma once

#include <cstdio>

#include "core/trace/trace.h"

namespace tandem::trace {

// Text lines to an open stream, which the caller keeps.
std::unique_ptr<Sink> text_sink(std::FILE* stream);
// A new file, whole when the sink has gone.
Result<std::unique_ptr<Sink>> file_sink(const std::string& path);

class Reader {
 public:
  static Result<Reader> open(const std::string& path);
  // Nothing at the end. Error: the file is damaged there.
  Result<std::optional<Record>> next();

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<std::optional<u16>> known_;  // our number for the file's
};

}  // namespace tandem::trace
