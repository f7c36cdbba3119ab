// A raw image: the file's bytes are the disk's.
#pragma once

#include "devices/backend/block/image.h"
#include "devices/backend/block/image_file.h"

namespace tandem::devices {

class RawImage final : public Image {
 public:
  explicit RawImage(ImageFile file);

  const std::string& path() const override { return file_.path(); }
  u64 size() const override { return size_; }
  bool writable() const override { return file_.writable(); }
  BlockStatus read(u64 offset, const Buffers& to) override { return file_.read(offset, to); }
  bool read_now(u64 offset, const Buffers& to) override { return file_.read_now(offset, to); }
  BlockStatus write(u64 offset, const Buffers& from) override { return file_.write(offset, from); }
  BlockStatus write_zeroes(u64 offset, u64 length) override { return file_.write_zeroes(offset, length); }
  BlockStatus discard(u64 offset, u64 length) override;
  BlockStatus flush() override { return file_.sync(); }
  u64 next_data(u64 offset) override;

 private:
  ImageFile file_;
  u64 size_;
};

}  // namespace tandem::devices
