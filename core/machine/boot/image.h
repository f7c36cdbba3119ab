// A kernel as pieces for guest physical memory.
#pragma once

#include <memory>
#include <vector>

#include "core/machine/boot/layout.h"

namespace tandem::machine {

// A file's contents, shared with the boot loader that keeps them for resets.
using Bytes = std::shared_ptr<const std::vector<u8>>;

// Reads a whole file. Error: names it.
Result<Bytes> read_file(const std::string& path);

struct Segment {
  u64 address = 0;         // guest physical
  u64 linked_address = 0;  // virtual, where the file has one
  u64 file_offset = 0;     // in the image's bytes; checked
  u64 file_size = 0;
  u64 memory_size = 0;  // at least file_size; the rest is cleared
};

struct Image {
  Bytes bytes;
  std::vector<Segment> segments;
  u64 entry = 0;

  u64 end() const;  // of the highest segment
};

// Reserves and fills the segments' places.
Result<void> place(const Image& image, Layout& layout);

}  // namespace tandem::machine
