// What the verbs of tandem img share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "devices/backend/block/image.h"
#include "devices/backend/block/image_file.h"
#include "tools/tandem/commands.h"

namespace tandem::tools {

struct ImgRequest {
  std::vector<std::string> words;  // what is no option
  std::optional<devices::ImageFormat> format, from, backing_format;
  std::string backing;
};

// Each does its work, prints what it found, and says what went wrong.
Result<void> img_create(const ImgRequest& request);
Result<void> img_convert(const ImgRequest& request);
Result<void> img_info(const ImgRequest& request);
Result<void> img_check(const ImgRequest& request);

// A file that appears under its name when it is whole, and otherwise never was.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& path);
  NewFile(NewFile&&) = default;
  ~NewFile();

  devices::ImageFile& file() { return *file_; }
  // The same, for an image that is to be written through open_image().
  const std::string& temporary_path() const { return temporary_; }
  void close() { file_.reset(); }
  // Fails where there is a file of that name.
  Result<void> keep();

 private:
  NewFile(std::string path, std::string temporary, devices::ImageFile file)
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}
  std::string path_, temporary_;
  std::optional<devices::ImageFile> file_;
};

// An empty image of this size; backing as it is to stand in the file.
Result<void> make_empty(devices::ImageFile& file, devices::ImageFormat format, u64 size,
                        const std::string& backing = {},
                        devices::ImageFormat backing_format = devices::ImageFormat::Raw);

// By the option, else by the name alone: there may be no file yet.
devices::ImageFormat format_of_new(const std::string& path, std::optional<devices::ImageFormat> asked);

}  // namespace tandem::tools
