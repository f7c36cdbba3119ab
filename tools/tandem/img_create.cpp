// tandem img create: an empty image, and how new files come about.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/config/settings.h"
#include "devices/backend/block/qcow2_create.h"
#include "tools/tandem/img.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

using devices::ImageFormat;

Result<NewFile> NewFile::create(const std::string& path) {
  if (access(path.c_str(), F_OK) == 0) return user_error(path + ": exists already");
  std::string temporary = fmt::format("{}.{}.new", path, getpid());
  auto file = devices::ImageFile::create(temporary);
  if (!file) return user_error(fmt::format("{}: {}", path, std::strerror(errno)));
  return NewFile(path, std::move(temporary), file.take());
}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<void> NewFile::keep() {
  if (renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0)
    return user_error(fmt::format("{}: {}", path_, std::strerror(errno)));
  temporary_.clear();
  return {};
}

Result<void> make_empty(devices::ImageFile& file, ImageFormat format, u64 size, const std::string& backing,
                        ImageFormat backing_format) {
  if (format == ImageFormat::Qcow2) return format_qcow2(file, {size, backing, backing_format});
  if (!backing.empty()) return user_error("--backing: a raw image has no backing file");
  if (!file.resize(size)) return host_error(fmt::format("{} bytes are too many for the host", size));
  return {};
}

ImageFormat format_of_new(const std::string& path, std::optional<ImageFormat> asked) {
  return asked.value_or(path.ends_with(".qcow2") ? ImageFormat::Qcow2 : ImageFormat::Raw);
}

namespace {

// As the new image will find its backing file: from its own folder.
std::string beside(const std::string& image, const std::string& backing) {
  const std::size_t slash = image.rfind('/');
  return backing.starts_with('/') || slash == std::string::npos ? backing
                                                                : image.substr(0, slash + 1) + backing;
}

}  // namespace

Result<void> img_create(const ImgRequest& r) {
  const std::string& path = r.words[0];
  const auto size = config::parse_size(r.words[1]);
  if (!size || *size == 0)
    return user_error(fmt::format("img: '{}' is no size in MiB, or with K, M, G or T", r.words[1]));
  ImageFormat backing_format = ImageFormat::Raw;
  if (!r.backing.empty()) {
    const std::string backing = beside(path, r.backing);
    if (r.backing_format) {
      backing_format = *r.backing_format;
    } else {
      TANDEM_TRY_ASSIGN(guessed, devices::guess_format(backing));
      backing_format = guessed;
    }
    TANDEM_TRY(devices::open_image(backing, {.format = backing_format}));
  }
  TANDEM_TRY_ASSIGN(made, NewFile::create(path));
  auto done = make_empty(made.file(), format_of_new(path, r.format), *size, r.backing, backing_format);
  if (!done) return std::move(done.error()).in(path);
  return made.keep();
}

}  // namespace tandem::tools
