// tandem img convert: copies what a disk holds into an image of another format; zeros take no room.
#include <algorithm>

#include "tools/tandem/img.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

using devices::BlockStatus;

namespace {

constexpr u64 kPiece = 64 * KiB, kStep = 2 * MiB;

bool all_zero(std::span<const u8> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](u8 b) { return b == 0; });
}

// Writes the pieces that are not zero, neighbours together.
BlockStatus write_data(devices::Image& to, u64 offset, std::span<u8> bytes) {
  for (u64 at = 0; at < bytes.size();) {
    u64 end = at;
    while (end < bytes.size() && !all_zero(bytes.subspan(end, std::min(kPiece, bytes.size() - end))))
      end = std::min<u64>(end + kPiece, bytes.size());
    if (end > at) TANDEM_TRY(to.write(offset + at, {devices::buffer(bytes.subspan(at, end - at))}));
    at = end + kPiece;
  }
  return BlockStatus::Ok;
}

Result<void> copy(devices::Image& from, devices::Image& to, const std::string& target) {
  std::vector<u8> bytes(kStep);
  for (u64 at = from.next_data(0) / kPiece * kPiece; at < from.size();) {
    const std::span<u8> piece = std::span(bytes).first(std::min(kStep, from.size() - at));
    if (!from.read(at, {devices::buffer(piece)}))
      return user_error(fmt::format("{}: can't be read at {:#x}", from.path(), at));
    if (!write_data(to, at, piece)) return host_error(target + ": can't be written");
    at += piece.size();
    if (at < from.size()) at = std::max(at, from.next_data(at) / kPiece * kPiece);
  }
  return to.flush() ? Result<void>() : host_error(target + ": can't be written");
}

}  // namespace

Result<void> img_convert(const ImgRequest& r) {
  const std::string& target = r.words[1];
  TANDEM_TRY_ASSIGN(from, devices::open_image(r.words[0], {.format = r.from}));
  const devices::ImageFormat format = format_of_new(target, r.format);
  TANDEM_TRY_ASSIGN(made, NewFile::create(target));
  auto empty = make_empty(made.file(), format, from->size());
  if (!empty) return std::move(empty.error()).in(target);
  made.close();
  {
    TANDEM_TRY_ASSIGN(to, devices::open_image(made.temporary_path(), {.format = format, .writable = true}));
    TANDEM_TRY(copy(*from, *to, target));
  }
  return made.keep();
}

}  // namespace tandem::tools
