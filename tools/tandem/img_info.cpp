// tandem img info and check.
#include <sys/stat.h>

#include <ctime>

#include "devices/backend/block/qcow2_create.h"
#include "tools/tandem/img.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

std::string date(u64 seconds) {
  const std::time_t t = static_cast<std::time_t>(seconds);
  std::tm broken{};
  char text[32] = "?";
  if (gmtime_r(&t, &broken)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &broken);
  return text;
}

void print_features(const devices::qcow2::Header& h) {
  fmt::print("version   {}, clusters of {} bytes, refcounts of {} bits, {} compression\n", h.version,
             h.cluster_size(), 1u << h.refcount_order,
             h.compression == devices::qcow2::Compression::Zstd ? "zstd" : "deflate");
  if (h.incompatible & devices::qcow2::kDirty) fmt::print("state     not closed by who wrote it last\n");
  if (h.incompatible & devices::qcow2::kCorrupt) fmt::print("state     marked as damaged\n");
  if (!h.backing.empty())
    fmt::print("backing   {} ({})\n", h.backing,
               h.backing_format.empty() ? "format not said" : h.backing_format);
}

Result<void> print_qcow2(const devices::ImageFile& file) {
  TANDEM_TRY_ASSIGN(header, devices::qcow2::read_header(file));
  TANDEM_TRY_ASSIGN(snapshots, devices::qcow2::read_snapshots(file, header));
  fmt::print("format    qcow2\nsize      {} bytes\n", header.size);
  print_features(header);
  for (const devices::qcow2::Snapshot& s : snapshots)
    fmt::print("snapshot  {} {} ({}, {} bytes of machine state)\n", s.id, s.name, date(s.seconds),
               s.vm_state_bytes);
  return {};
}

Result<devices::ImageFormat> format_of(const devices::ImageFile& file, const ImgRequest& r) {
  if (r.format) return *r.format;
  return devices::qcow2::is_qcow2(file) ? devices::ImageFormat::Qcow2 : devices::ImageFormat::Raw;
}

}  // namespace

// Reads no backing file, so that the header alone may choose the format.
Result<void> img_info(const ImgRequest& r) {
  const std::string& path = r.words[0];
  TANDEM_TRY_ASSIGN(file, devices::ImageFile::open(path, false));
  TANDEM_TRY_ASSIGN(format, format_of(file, r));
  fmt::print("file      {}\n", path);
  if (format == devices::ImageFormat::Qcow2) {
    auto printed = print_qcow2(file);
    if (!printed) return std::move(printed.error()).in(path);
  } else {
    fmt::print("format    raw\nsize      {} bytes\n", file.size());
  }
  struct stat st{};
  if (stat(path.c_str(), &st) == 0) fmt::print("on disk   {} bytes\n", static_cast<u64>(st.st_blocks) * 512);
  return {};
}

Result<void> img_check(const ImgRequest& r) {
  const std::string& path = r.words[0];
  TANDEM_TRY_ASSIGN(file, devices::ImageFile::open(path, false));
  TANDEM_TRY_ASSIGN(format, format_of(file, r));
  if (format == devices::ImageFormat::Raw)
    return fmt::print("{}: raw, nothing to check\n", path), Result<void>();
  auto faults = devices::check_qcow2(file);
  if (!faults) return std::move(faults.error()).in(path);
  const auto [damage, leaks] = faults.value();
  if (damage)
    return user_error(fmt::format("{}: damaged: {} faults, {} clusters without use", path, damage, leaks));
  fmt::print("{}: no damage, {} clusters without use\n", path, leaks);
  return {};
}

}  // namespace tandem::tools
