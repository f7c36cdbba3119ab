#include "tools/tandem/firmware.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/machine/boot/image.h"

namespace tandem::tools {

namespace {

constexpr const char* kSeabios = "/usr/share/seabios/bios-256k.bin";
constexpr const char* kVideoBios = "/usr/share/seabios/vgabios-stdvga.bin";
constexpr const char* kPackage = "seabios";

// A file of the package; the message names it.
Result<machine::Bytes> read_installed(const char* path) {
  if (!std::filesystem::exists(path))
    return user_error(fmt::format("firmware: {} is missing: install the package {}", path, kPackage));
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

}  // namespace

Result<devices::FirmwareConfig> open_firmware(const config::Settings& settings) {
  TANDEM_TRY_ASSIGN(
      bytes, settings.firmware.empty() ? read_installed(kSeabios) : machine::read_file(settings.firmware));
  devices::FirmwareConfig firmware;
  firmware.rom = *bytes;
  firmware.boot_order = settings.boot;
  if (!settings.uuid.empty()) {
    TANDEM_TRY_ASSIGN(uuid, parse_uuid(settings.uuid));
    firmware.uuid = uuid;
  }
  return firmware;
}

Result<devices::VgaConfig> open_vga(const config::Settings& settings) {
  TANDEM_TRY_ASSIGN(rom, read_installed(kVideoBios));
  return devices::VgaConfig{settings.videoram * MiB, *rom};
}

}  // namespace tandem::tools
