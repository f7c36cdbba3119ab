#include "devices/backend/png_file.h"

#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tandem::devices {

Result<void> PngFile::show(const Picture& image, std::span<const Rows>) {
  const std::string draft = path_ + ".part";
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = image.width;
  png.height = image.height;
  png.format = PNG_FORMAT_RGB;
  const int written = png_image_write_to_file(&png, draft.c_str(), 0, image.pixels.data(), 0, nullptr);
  const std::string why = png.message;
  png_image_free(&png);
  if (!written) {
    std::remove(draft.c_str());
    return user_error(path_ + ": " + why);
  }
  if (std::rename(draft.c_str(), path_.c_str()) != 0) return user_error(path_ + ": " + std::strerror(errno));
  return {};
}

}  // namespace tandem::devices
