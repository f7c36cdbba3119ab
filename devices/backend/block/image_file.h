// ImageFile: a host file or block device under an image: locked, with whole transfers.
#pragma once

#include <span>
#include <string>

#include "core/base/result.h"
#include "devices/backend/block/block_backend.h"

namespace tandem::devices {

class ImageFile {
 public:
  // Readers share a file, a writer has it alone; QEMU's programs keep to the same locks.
  static Result<ImageFile> open(const std::string& path, bool writable);
  // A new file beside `path`, or one without a name, for an overlay.
  static Result<ImageFile> create(const std::string& path);
  static Result<ImageFile> create_unnamed();
  ImageFile(ImageFile&& o) noexcept;
  ImageFile& operator=(ImageFile&& o) noexcept;
  ~ImageFile();

  const std::string& path() const { return path_; }
  bool writable() const { return writable_; }
  u64 size() const;
  // Whether both are one file, whatever their names.
  bool same_as(const ImageFile& other) const;

  // Bytes behind the end read as zero. [any-thread]
  BlockStatus read(u64 offset, const Buffers& to) const;
  // What the host's page cache has, all of it; false: it has not.
  bool read_now(u64 offset, const Buffers& to) const;
  BlockStatus read(u64 offset, std::span<u8> to) const { return read(offset, Buffers{buffer(to)}); }
  // Fails where the file ends before.
  BlockStatus read_exactly(u64 offset, std::span<u8> to) const;
  BlockStatus write(u64 offset, const Buffers& from);
  BlockStatus write(u64 offset, std::span<const u8> from);
  BlockStatus write_zeroes(u64 offset, u64 length);
  // Gives room back to the host; false where it can't.
  bool punch(u64 offset, u64 length);
  BlockStatus resize(u64 size);
  BlockStatus sync();
  u64 next_data(u64 offset) const;  // ~0: none

 private:
  ImageFile(std::string path, int fd, bool writable) : path_(std::move(path)), fd_(fd), writable_(writable) {}
  Result<void> lock();

  std::string path_;
  int fd_ = -1;
  bool writable_ = false;
};

}  // namespace tandem::devices
