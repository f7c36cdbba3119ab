#include "tools/tandem/disks.h"

#include <fmt/format.h>
#include <unistd.h>

#include "core/config/disk_spec.h"
#include "devices/backend/block/uring_backend.h"

namespace tandem::tools {

using config::DiskBus;
using config::DiskSpec;

namespace {

constexpr std::string_view bus_name(DiskBus bus) {
  switch (bus) {
    case DiskBus::Ide: return "IDE";
    case DiskBus::Ahci: return "AHCI";
    case DiskBus::Virtio: return "virtio";
    case DiskBus::Xen: return "Xen's block device";
    case DiskBus::Floppy: return "the floppy controller";
  }
  return "";
}

Result<std::unique_ptr<devices::BlockBackend>> open_medium(const DiskSpec& spec) {
  if (spec.target.empty()) return std::unique_ptr<devices::BlockBackend>();
  devices::ImageOptions options;
  options.writable = !spec.read_only && !spec.snapshot;
  if (!spec.format.empty()) {
    TANDEM_TRY_ASSIGN(format, devices::parse_image_format(spec.format));
    options.format = format;
  }
  auto opened = devices::open_image(spec.target, options);
  if (!opened) return std::move(opened.error()).in("disk");
  std::unique_ptr<devices::Image> image = opened.take();
  if (image->size() == 0) return user_error("disk: " + spec.target + ": is empty");
  if (spec.snapshot && !spec.read_only) {
    TANDEM_TRY_ASSIGN(overlay, devices::make_overlay(std::move(image)));
    image = std::move(overlay);
  }
  return devices::make_block_backend(std::move(image));
}

Error given_twice(const DiskSpec& spec) {
  return user_error(fmt::format("disk: vdev {} is given twice", spec.vdev));
}

Result<void> add_drive(const DiskSpec& spec, devices::AtaUnit& unit) {
  if (unit.medium || unit.cdrom) return given_twice(spec);
  TANDEM_TRY_ASSIGN(medium, open_medium(spec));
  unit.medium = std::move(medium);
  unit.cdrom = spec.cdrom;
  return {};
}

Result<void> add_virtio(const DiskSpec& spec, devices::PcConfig& config) {
  if (spec.cdrom)
    return user_error(
        fmt::format("disk: vdev {}: a CD-ROM drive is IDE, hda to hdd, or AHCI, sda to sdz", spec.vdev));
  auto& medium = config.virtio.disks[spec.unit];
  if (medium) return given_twice(spec);
  TANDEM_TRY_ASSIGN(opened, open_medium(spec));
  medium = std::move(opened);
  return {};
}

Result<void> add_floppy(const DiskSpec& spec, devices::PcConfig& config) {
  if (spec.unit != 0 || spec.cdrom) return user_error("disk: a floppy is fda, the only drive");
  if (config.floppy) return given_twice(spec);
  TANDEM_TRY_ASSIGN(medium, open_medium(spec));
  config.floppy = std::move(medium);
  return {};
}

Result<void> add(const DiskSpec& spec, devices::PcConfig& config) {
  switch (spec.bus) {
    case DiskBus::Floppy: return add_floppy(spec, config);
    case DiskBus::Ide: return add_drive(spec, config.ide[spec.unit]);
    case DiskBus::Ahci: return add_drive(spec, config.ahci[spec.unit]);
    case DiskBus::Virtio: return add_virtio(spec, config);
    default:
      return user_error(
          fmt::format("disk: vdev {}: this build does not have {}; it has IDE, hda to hdd, AHCI, sda to sdz, "
                      "virtio, vda to "
                      "vdz, and fda",
                      spec.vdev, bus_name(spec.bus)));
  }
}

}  // namespace

Result<void> open_disks(const config::Settings& settings, devices::PcConfig& config) {
  for (const std::string& text : settings.disk) {
    TANDEM_TRY_ASSIGN(spec, config::parse_disk_spec(text));
    TANDEM_TRY(add(spec, config));
  }
  if (!settings.fda.empty()) {
    DiskSpec floppy;
    floppy.target = settings.fda;
    floppy.vdev = "fda";
    floppy.bus = DiskBus::Floppy;
    floppy.read_only = access(settings.fda.c_str(), W_OK) != 0;  // write protected
    auto added = add(floppy, config);
    if (!added) return std::move(added.error()).in("fda");
  }
  if (settings.cdrom.empty()) return {};
  DiskSpec cdrom;
  cdrom.target = settings.cdrom;
  cdrom.vdev = "hdc";
  cdrom.bus = DiskBus::Ide;
  cdrom.unit = 2;
  cdrom.read_only = cdrom.cdrom = true;
  return add(cdrom, config);
}

std::map<std::string, std::string> cd_drives(const config::Settings& settings) {
  std::map<std::string, std::string> drives;
  for (const std::string& text : settings.disk)
    if (const auto spec = config::parse_disk_spec(text); spec && spec.value().cdrom)
      drives[spec.value().vdev] = spec.value().target;
  if (!settings.cdrom.empty()) drives["hdc"] = settings.cdrom;
  return drives;
}

Result<Cd> open_cd(const std::string& text) {
  TANDEM_TRY_ASSIGN(spec, config::parse_disk_spec(text));
  if (spec.bus != DiskBus::Ide && spec.bus != DiskBus::Ahci)
    return user_error(fmt::format("{}: is no drive for discs", spec.vdev));
  TANDEM_TRY_ASSIGN(medium, open_medium(spec));
  const auto bus = spec.bus == DiskBus::Ide ? devices::DriveBus::Ide : devices::DriveBus::Ahci;
  return Cd{{bus, spec.unit}, std::move(medium)};
}

}  // namespace tandem::tools
