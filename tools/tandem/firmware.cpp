#include "tools/tandem/firmware.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/machine/boot/image.h"
#include "devices/backend/block/threaded_backend.h"

namespace tandem::tools {

namespace {

constexpr const char* kSeabios = "/usr/share/seabios/bios-256k.bin";
constexpr const char* kVideoBios = "/usr/share/seabios/vgabios-stdvga.bin";
constexpr const char* kPackage = "seabios";
// With images for BIOS and for UEFI.
constexpr const char* kBootRomE1000 = "/usr/lib/ipxe/qemu/efi-e1000.rom";
constexpr const char* kBootRomVirtio = "/usr/lib/ipxe/qemu/efi-virtio.rom";
constexpr const char* kBootRomPackage = "ipxe-qemu";

// A file of a package; the message names it.
Result<machine::Bytes> read_installed(const char* path, const char* package = kPackage) {
  if (!std::filesystem::exists(path))
    return user_error(fmt::format("firmware: {} is missing: install the package {}", path, package));
  return machine::read_file(path);
}

// "0f1e2d3c-..." as 16 bytes.
Result<std::array<u8, 16>> parse_uuid(const std::string& text) {
  std::string digits;
  for (const char c : text)
    if (c != '-') digits.push_back(c);
  const bool good =
      digits.size() == 32 && digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!good) return user_error(fmt::format("uuid: '{}' is none", text));
  std::array<u8, 16> uuid;
  for (std::size_t i = 0; i < uuid.size(); ++i)
    uuid[i] = static_cast<u8>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
  return uuid;
}

// The file with the first values of the variables, where `code` is the other half of a package's pair.
std::string template_of(const std::string& code) {
  constexpr std::string_view kCode = "_CODE";
  const std::size_t at = code.rfind(kCode);
  if (at == std::string::npos) return "";
  std::string path = code;
  path.replace(at, kCode.size(), "_VARS");
  return std::filesystem::exists(path) ? path : "";
}

Result<void> open_variables(const config::Settings& settings, devices::FirmwareConfig& firmware) {
  if (settings.nvram.empty()) {
    const std::string path = template_of(settings.firmware);
    if (path.empty()) return {};
    TANDEM_TRY_ASSIGN(bytes, machine::read_file(path));
    firmware.variables = *bytes;
    return {};
  }
  if (settings.firmware.empty())
    return user_error("nvram: the default firmware has no variables; give firmware too");
  devices::ImageOptions options;
  options.format = devices::ImageFormat::Raw;
  options.writable = true;
  auto opened = devices::open_image(settings.nvram, options);
  if (!opened) return std::move(opened.error()).in("nvram");
  std::unique_ptr<devices::Image> image = opened.take();
  firmware.variables.resize(std::min<u64>(image->size(), 2 * MiB));
  if (firmware.variables.empty()) return user_error(fmt::format("nvram: {}: is empty", settings.nvram));
  if (!image->read(0, {devices::buffer(firmware.variables)}))
    return user_error(fmt::format("nvram: {}: can't be read", settings.nvram));
  firmware.variables_file = std::make_unique<devices::ThreadedBlockBackend>(std::move(image));
  return {};
}

}  // namespace

Result<devices::FirmwareConfig> open_firmware(const config::Settings& settings) {
  TANDEM_TRY_ASSIGN(
      bytes, settings.firmware.empty() ? read_installed(kSeabios) : machine::read_file(settings.firmware));
  devices::FirmwareConfig firmware;
  firmware.rom = *bytes;
  firmware.boot_order = settings.boot;
  TANDEM_TRY(open_variables(settings, firmware));
  if (!settings.uuid.empty()) {
    TANDEM_TRY_ASSIGN(uuid, parse_uuid(settings.uuid));
    firmware.uuid = uuid;
  }
  return firmware;
}

Result<devices::BootRoms> open_boot_roms(const config::Settings& settings, const devices::PcConfig& config) {
  devices::BootRoms roms;
  if (settings.boot.find('n') == std::string::npos) return roms;
  if (!config.e1000.empty()) {
    TANDEM_TRY_ASSIGN(rom, read_installed(kBootRomE1000, kBootRomPackage));
    roms.e1000 = *rom;
  }
  if (!config.virtio.nets.empty()) {
    TANDEM_TRY_ASSIGN(rom, read_installed(kBootRomVirtio, kBootRomPackage));
    roms.virtio = *rom;
  }
  return roms;
}

Result<devices::VgaConfig> open_vga(const config::Settings& settings) {
  TANDEM_TRY_ASSIGN(rom, read_installed(kVideoBios));
  return devices::VgaConfig{settings.videoram * MiB, *rom};
}

}  // namespace tandem::tools
