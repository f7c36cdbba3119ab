// Frames in a file that packet analysers read (the libpcap format, Ethernet).
#pragma once

#include <cstdio>
#include <memory>
#include <span>
#include <string>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::devices {

class PcapFile {
 public:
  static Result<std::unique_ptr<PcapFile>> create(const std::string& path);
  ~PcapFile();
  PcapFile(const PcapFile&) = delete;
  PcapFile& operator=(const PcapFile&) = delete;

  void add(std::span<const u8> frame);
  void flush();

 private:
  explicit PcapFile(std::FILE* file) : file_(file) {}
  std::FILE* file_;
};

}  // namespace tandem::devices
