#include "devices/backend/net/pcap_file.h"

#include <cerrno>
#include <chrono>
#include <cstring>

namespace tandem::devices {

namespace {

struct FileHeader {
  u32 magic = 0xa1b2c3d4;
  u16 major = 2, minor = 4;
  i32 zone = 0;
  u32 accuracy = 0, longest = 262144, ethernet = 1;
};
struct FrameHeader {
  u32 seconds, microseconds, captured, length;
};

}  // namespace

Result<std::unique_ptr<PcapFile>> PcapFile::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (!file) return user_error("capture: " + path + ": " + std::strerror(errno));
  const FileHeader header;
  std::fwrite(&header, sizeof header, 1, file);
  return std::unique_ptr<PcapFile>(new PcapFile(file));
}

PcapFile::~PcapFile() { std::fclose(file_); }

void PcapFile::add(std::span<const u8> frame) {
  using namespace std::chrono;
  const auto now = duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
  const u32 length = static_cast<u32>(frame.size());
  const FrameHeader header{static_cast<u32>(now / 1000000), static_cast<u32>(now % 1000000), length, length};
  std::fwrite(&header, sizeof header, 1, file_);
  std::fwrite(frame.data(), 1, frame.size(), file_);
}

void PcapFile::flush() { std::fflush(file_); }

}  // namespace tandem::devices
