#include "tools/tandem/guest.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/machine/boot/boot.h"
#include "devices/backend/host_entropy.h"
#include "tools/tandem/disks.h"
#include "tools/tandem/firmware.h"
#include "tools/tandem/networks.h"
#include "tools/tandem/shares.h"

namespace tandem::tools {

using config::Settings;

namespace {

Result<void> check_action(std::string_view key, std::string_view action) {
  if (action == "destroy" || action == "restart" || action == "preserve") return {};
  return user_error(fmt::format("{}: '{}' is none of destroy, restart, preserve", key, action));
}

Result<std::optional<u16>> check_port(std::string_view key, u64 port) {
  if (port == 0) return std::optional<u16>();
  if (port > 0xffff) return user_error(fmt::format("{}: {:#x} is no port", key, port));
  return std::optional<u16>(static_cast<u16>(port));
}

Result<void> check(const Settings& s) {
  TANDEM_TRY(check_action("on_poweroff", s.on_poweroff));
  TANDEM_TRY(check_action("on_reboot", s.on_reboot));
  TANDEM_TRY(check_action("on_crash", s.on_crash));
  if (s.vga != "stdvga" && s.vga != "virtio" && s.vga != "none")
    return user_error(fmt::format("vga: '{}' is none of stdvga, virtio, none", s.vga));
  constexpr u64 kMaxVideoram = 256;
  if (s.videoram > kMaxVideoram)
    return user_error(fmt::format("videoram: {} MiB are more than {}", s.videoram, kMaxVideoram));
  if (!s.screenshot.empty() && ((!s.kernel.empty() && s.vga != "virtio") || s.vga == "none"))
    return user_error("screenshot: a guest without vga, or with stdvga and no firmware, has no display");
  if (s.vcpus < 1 || s.vcpus > machine::kMaxVcpus)
    return user_error(fmt::format("vcpus: {} is not in 1..{}", s.vcpus, machine::kMaxVcpus));
  if (!s.input.empty() && s.input != "ps2" && s.input != "virtio")
    return user_error(fmt::format("input: '{}' is none of ps2, virtio", s.input));
  if (s.balloon != "on" && s.balloon != "off")
    return user_error(fmt::format("balloon: '{}' is none of on, off", s.balloon));
  if (s.clipboard != "on" && s.clipboard != "off")
    return user_error(fmt::format("clipboard: '{}' is none of on, off", s.clipboard));
  if (s.serial.size() > 4) return user_error("serial: a PC has four serial ports");
  if (!s.kernel.empty() && !s.firmware.empty())
    return user_error("firmware: a kernel that is given is started without it");
  if (const std::size_t bad = s.boot.find_first_not_of("acdn"); bad != std::string::npos)
    return user_error(fmt::format("boot: '{}' is none of a, c, d, n", s.boot[bad]));
  return {};
}

// Words, by commas.
Result<void> read_virtio(const Settings& s, devices::VirtioConfig& config) {
  for (std::size_t at = 0; at <= s.virtio.size();) {
    const std::size_t comma = std::min(s.virtio.find(',', at), s.virtio.size());
    const std::string word = s.virtio.substr(at, comma - at);
    if (word == "packed" || word == "split") config.packed = word == "packed";
    else if (word == "mmio" || word == "pci") config.mmio = word == "mmio";
    else return user_error(fmt::format("virtio: '{}' is none of packed, split, mmio, pci", word));
    at = comma + 1;
  }
  return {};
}

machine::BootFiles boot_files(const Settings& s) {
  machine::BootFiles files{s.kernel, {}, s.cmdline};
  if (!s.ramdisk.empty()) files.modules.push_back({s.ramdisk, ""});
  for (const std::string& module : s.module) {
    const std::size_t space = std::min(module.find(' '), module.size());
    files.modules.push_back({module.substr(0, space), module.substr(std::min(space + 1, module.size()))});
  }
  return files;
}

// xl's keys have names for more kinds of devices.
Result<void> add_usb_devices(const Settings& s, devices::PcConfig& config) {
  // A pointer that is where the host's is, for whoever looks at the guest's display.
  if (s.usbdevice.empty()) config.usb_tablet = config.vga && !config.virtio.input;
  for (const std::string& kind : s.usbdevice) {
    if (kind == "tablet") config.usb_tablet = true;
    else if (kind == "keyboard") config.usb_keyboard = true;
    else if (kind != "none")
      return user_error(fmt::format("usbdevice: '{}' is none of tablet, keyboard, none", kind));
  }
  return {};
}

constexpr std::size_t kMaxConsolePorts = 16;

// [name=NAME,]BACKEND
Result<void> open_consoles(const Settings& s, devices::PcConfig& config,
                           const std::function<void()>& on_escape) {
  if (s.console.size() > kMaxConsolePorts)
    return user_error(fmt::format("console: there are {} ports at most", kMaxConsolePorts));
  for (const std::string& text : s.console) {
    devices::ConsoleConfig port;
    std::string_view spec = text;
    if (spec.starts_with("name=")) {
      const std::size_t comma = std::min(spec.find(','), spec.size());
      port.name = spec.substr(5, comma - 5);
      spec.remove_prefix(std::min(comma + 1, spec.size()));
      if (port.name.empty()) return user_error(fmt::format("console: '{}': the name is empty", text));
    }
    auto backend = devices::open_char_backend(spec, {on_escape});
    if (!backend) return std::move(backend.error()).in("console");
    port.backend = backend.take();
    config.virtio.consoles.push_back(std::move(port));
  }
  return {};
}

Result<void> open_serials(const Settings& s, Guest& guest, const std::function<void()>& on_escape) {
  TANDEM_TRY_ASSIGN(expectations, Expectations::create(s.expect));
  guest.expectations = expectations;
  for (std::size_t i = 0; i < s.serial.size(); ++i) {
    TANDEM_TRY_ASSIGN(backend, devices::open_char_backend(s.serial[i], {on_escape}));
    guest.config.serials[i] = std::move(backend);
  }
  TANDEM_TRY(open_consoles(s, guest.config, on_escape));
  if (!s.debugcon.empty()) {
    TANDEM_TRY_ASSIGN(debugcon, devices::open_char_backend(s.debugcon, {on_escape}));
    guest.config.debugcon = std::move(debugcon);
  }
  if (s.expect.empty()) return {};
  auto& first = guest.config.serials[0];
  if (!first) {
    TANDEM_TRY_ASSIGN(backend, devices::open_char_backend("null"));
    first = std::move(backend);
  }
  first = watch(std::move(first), expectations);
  return {};
}

Result<void> open_speaker(const Settings& s, devices::PcConfig& config) {
  constexpr std::string_view kFile = "file:";
  if (s.speaker.empty()) return {};
  if (!s.speaker.starts_with(kFile))
    return user_error(fmt::format("speaker: '{}' is no file:PATH", s.speaker));
  TANDEM_TRY_ASSIGN(file, devices::WavSpeaker::create(s.speaker.substr(kFile.size())));
  config.speaker = std::move(file);
  return {};
}

}  // namespace

Result<std::unique_ptr<Guest>> make_guest(const Settings& s, std::function<void()> on_escape) {
  TANDEM_TRY(check(s));
  auto guest = std::make_unique<Guest>();
  if (s.cpu.empty()) {
    guest->model = cpu::default_cpu_model();
  } else {
    TANDEM_TRY_ASSIGN(model, cpu::make_cpu_model(s.cpu));
    guest->model = std::move(model);
  }
  devices::PcConfig& c = guest->config;
  c.memory_bytes = s.memory;
  c.vcpus = static_cast<u32>(s.vcpus);
  c.model = &guest->model;
  c.restart_on_reset = s.on_reboot == "restart";
  TANDEM_TRY_ASSIGN(debug_exit, check_port("debug_exit", s.debug_exit));
  TANDEM_TRY_ASSIGN(exit_port, check_port("exit_port", s.exit_port));
  c.debug_exit_port = debug_exit;
  c.exit_port = exit_port;
  if (s.kernel.empty()) {
    TANDEM_TRY_ASSIGN(firmware, open_firmware(s));
    c.firmware = std::move(firmware);
    if (s.vga == "stdvga") {
      TANDEM_TRY_ASSIGN(vga, open_vga(s));
      c.vga = std::move(vga);
    }
  } else {
    TANDEM_TRY_ASSIGN(loader, machine::open_boot_loader(boot_files(s)));
    c.boot = std::move(loader);
  }
  TANDEM_TRY(open_disks(s, c));
  c.virtio.gpu = s.vga == "virtio";
  c.virtio.input = s.input.empty() ? c.virtio.gpu : s.input == "virtio";
  TANDEM_TRY(add_usb_devices(s, c));
  TANDEM_TRY(open_speaker(s, c));
  TANDEM_TRY(open_networks(s, *guest));
  if (c.firmware) {
    TANDEM_TRY_ASSIGN(roms, open_boot_roms(s, c));
    c.boot_roms = std::move(roms);
  }
  TANDEM_TRY(open_vsock(s, *guest));
  TANDEM_TRY(open_shares(s, c));
  c.virtio.balloon = s.balloon == "on";
  TANDEM_TRY(read_virtio(s, c.virtio));
  c.virtio.entropy = devices::host_entropy;
  TANDEM_TRY(open_serials(s, *guest, on_escape));
  return guest;
}

}  // namespace tandem::tools
