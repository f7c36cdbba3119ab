#include "core/machine/boot/image.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace tandem::machine {

namespace {
constexpr u64 kMaxFile = 4 * GiB;
}

Result<Bytes> read_file(const std::string& path) {
  std::error_code error;
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::directory) return user_error(path + ": is a folder");
  // Opening a pipe would wait, and a device has no end.
  if (kind != std::filesystem::file_type::regular && kind != std::filesystem::file_type::not_found &&
      kind != std::filesystem::file_type::none)
    return user_error(path + ": is no regular file");
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return user_error(path + ": " + std::strerror(errno));
  const auto size = in.tellg();
  if (size < 0) return user_error(path + ": can't be read as a file");
  if (static_cast<u64>(size) > kMaxFile) return user_error(path + ": larger than 4 GiB");
  auto bytes = std::make_shared<std::vector<u8>>(static_cast<std::size_t>(size));
  in.seekg(0);
  // SAFETY: bytes as chars.
  if (!in.read(reinterpret_cast<char*>(bytes->data()), size)) return user_error(path + ": could not be read");
  return Bytes(std::move(bytes));
}

u64 Image::end() const {
  u64 end = 0;
  for (const Segment& s : segments) end = std::max(end, s.address + s.memory_size);
  return end;
}

Result<void> place(const Image& image, Layout& layout) {
  for (const Segment& s : image.segments) {
    TANDEM_TRY(layout.reserve(s.address, s.memory_size));
    mem::GuestMemory& memory = layout.memory();
    memory.write(Gpa{s.address}, {image.bytes->data() + s.file_offset, s.file_size});
    memory.fill(Gpa{s.address + s.file_size}, 0, s.memory_size - s.file_size);
  }
  return {};
}

}  // namespace tandem::machine
