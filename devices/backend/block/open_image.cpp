#include <fmt/format.h>

#include <filesystem>

#include "devices/backend/block/image.h"
#include "devices/backend/block/qcow2_create.h"
#include "devices/backend/block/qcow2_image.h"
#include "devices/backend/block/raw_image.h"

namespace tandem::devices {

namespace {

constexpr std::size_t kMaxChain = 64;

// The files from the one that was asked for down to the one being opened.
using Chain = std::vector<const ImageFile*>;

// Where a backing file's name leads from the image that has it.
Result<std::string> backing_path(const std::string& image, const std::string& name) {
  const std::size_t colon = name.find(':');
  std::string local = name.starts_with("file:") ? name.substr(5) : name;
  if (local == name && colon < name.find('/'))
    return user_error(fmt::format("its backing file '{}' is no file", name));
  if (local.starts_with('/')) return local;
  return (std::filesystem::path(image).parent_path() / local).string();
}

Result<std::unique_ptr<Image>> open_at(const std::string& path, const ImageOptions& options, Chain& chain);

Result<std::unique_ptr<Image>> open_backing(const qcow2::Header& header, const ImageFile& file,
                                            Chain& chain) {
  if (header.backing.empty()) return std::unique_ptr<Image>();
  TANDEM_TRY_ASSIGN(path, backing_path(file.path(), header.backing));
  ImageOptions options;
  if (!header.backing_format.empty()) {
    TANDEM_TRY_ASSIGN(format, parse_image_format(header.backing_format));
    options.format = format;
  }
  chain.push_back(&file);
  auto backing = open_at(path, options, chain);
  chain.pop_back();
  if (!backing) return std::move(backing.error()).in("backing file");
  return backing;
}

Result<std::unique_ptr<Image>> open_qcow2(ImageFile file, const ImageOptions& options, Chain& chain) {
  TANDEM_TRY_ASSIGN(header, qcow2::read_header(file));
  TANDEM_TRY_ASSIGN(backing, open_backing(header, file, chain));
  return Qcow2Image::open(std::move(file), std::move(header), std::move(backing), options.lasting);
}

Result<std::unique_ptr<Image>> open_at(const std::string& path, const ImageOptions& options, Chain& chain) {
  if (chain.size() >= kMaxChain)
    return user_error(fmt::format("{}: more than {} files in a chain", path, kMaxChain));
  ImageFormat format = ImageFormat::Raw;
  if (options.format) {
    format = *options.format;
  } else {
    TANDEM_TRY_ASSIGN(guessed, guess_format(path));
    format = guessed;
  }
  TANDEM_TRY_ASSIGN(file, ImageFile::open(path, options.writable));
  for (const ImageFile* above : chain)
    if (above->same_as(file)) return user_error(path + ": backs itself");
  if (format == ImageFormat::Raw) return std::unique_ptr<Image>(std::make_unique<RawImage>(std::move(file)));
  auto image = open_qcow2(std::move(file), options, chain);
  if (!image) return std::move(image.error()).in(path);
  return image;
}

}  // namespace

std::string_view to_string(ImageFormat format) { return format == ImageFormat::Raw ? "raw" : "qcow2"; }

Result<ImageFormat> parse_image_format(std::string_view name) {
  if (name == "raw") return ImageFormat::Raw;
  if (name == "qcow2") return ImageFormat::Qcow2;
  return user_error(fmt::format("format '{}' is none of raw, qcow2", name));
}

Result<ImageFormat> guess_format(const std::string& path) {
  if (path.ends_with(".qcow2")) return ImageFormat::Qcow2;
  TANDEM_TRY_ASSIGN(file, ImageFile::open(path, false));
  if (qcow2::is_qcow2(file)) return user_error(path + ": looks like qcow2; say format=qcow2 or format=raw");
  return ImageFormat::Raw;
}

Result<std::unique_ptr<Image>> open_image(const std::string& path, const ImageOptions& options) {
  Chain chain;
  return open_at(path, options, chain);
}

Result<std::unique_ptr<Image>> make_overlay(std::unique_ptr<Image> base) {
  TANDEM_TRY_ASSIGN(file, ImageFile::create_unnamed());
  TANDEM_TRY(format_qcow2(file, {.size = base->size(), .backing = {}}));
  TANDEM_TRY_ASSIGN(header, qcow2::read_header(file));
  return Qcow2Image::open(std::move(file), std::move(header), std::move(base), false);
}

}  // namespace tandem::devices
