// Image: the bytes of a disk in some file format. Its calls wait for the host, so they are for I/O threads
// and tools.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "devices/backend/block/block_backend.h"

namespace tandem::devices {

struct HostPlace {
  int fd;  // the image's
  u64 offset;
};

class Image {
 public:
  virtual ~Image() = default;
  virtual const std::string& path() const = 0;
  virtual u64 size() const = 0;  // bytes
  virtual bool writable() const = 0;

  // What follows: at most size(), of any alignment. [any-thread]
  virtual BlockStatus read(u64 offset, const Buffers& to) = 0;
  virtual BlockStatus write(u64 offset, const Buffers& from) = 0;
  // Reads without waiting; false: not all of it is at hand, and what `to` holds is no matter.
  bool read_now(u64 offset, const Buffers& to);
  virtual BlockStatus write_zeroes(u64 offset, u64 length) = 0;
  // Gives room back to the host where that is easy; the bytes may become zero or stay.
  virtual BlockStatus discard(u64 offset, u64 length) = 0;
  // What write() and the others did before lasts, should the host lose power.
  virtual BlockStatus flush() = 0;

  // Where a file of the host holds these bytes as they are, in one piece, if that is known at once: then it
  // may be read or written there; for a Flush, the file that a sync makes all of the image lasting. Never
  // waits. [any-thread]
  virtual std::optional<HostPlace> place(BlockOp, u64 /*offset*/, u64 /*length*/) { return {}; }

  // The first byte at or after `offset` that may be other than zero; size() where there is none.
  virtual u64 next_data(u64 offset) { return offset; }
};

enum class ImageFormat : u8 { Raw, Qcow2 };
std::string_view to_string(ImageFormat format);
Result<ImageFormat> parse_image_format(std::string_view name);

struct ImageOptions {
  std::optional<ImageFormat> format;  // none: by the name, see guess_format()
  bool writable = false;
  bool lasting = true;  // false: a flush does nothing, for files that go away with the process
};

// Opens an image and what backs it. Error: one line that names the file.
Result<std::unique_ptr<Image>> open_image(const std::string& path, const ImageOptions& options);
// Writes go to a file without a name, and vanish with it; `base` stays as it is.
Result<std::unique_ptr<Image>> make_overlay(std::unique_ptr<Image> base);
// Qcow2 where the name ends so, else raw. A raw file's first bytes are its guest's, so a header alone proves
// nothing: a file that has one and no such name is an error that asks for the format.
Result<ImageFormat> guess_format(const std::string& path);

}  // namespace tandem::devices
