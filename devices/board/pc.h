// Pc: the board. A machine with the devices of an i440FX/PIIX PC at their usual addresses.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/cpu/cpu_state.h"
#include "core/machine/boot/boot.h"
#include "core/machine/machine.h"
#include "devices/backend/char_backend.h"
#include "devices/backend/net/net_backend.h"
#include "devices/backend/p9/server.h"
#include "devices/backend/wav_speaker.h"
#include "devices/board/memory_map.h"
#include "devices/display/display.h"
#include "devices/input/input_sink.h"
#include "devices/platform/speaker_sink.h"
#include "devices/storage/ata_unit.h"

namespace tandem::devices {

using machine::BootInfo;
using machine::BootLoader;

// A PC that starts at the reset vector, as one does.
struct FirmwareConfig {
  std::vector<u8> rom;        // ends at 4 GiB; a multiple of 4 KiB
  std::vector<u8> variables;  // content of the flash below it, a multiple of 4 KiB; may be empty
  std::unique_ptr<BlockBackend> variables_file;  // takes its changes; null: they are forgotten
  std::string boot_order = "cda";                // letters: a floppy, c disk, d CD, n network
  std::array<u8, 16> uuid{};                     // as it is written
};

struct VgaConfig {
  u64 memory_bytes = 16 * MiB;  // a power of two, up to 256 MiB
  std::vector<u8> rom;          // its video BIOS
};

struct NetConfig {
  std::unique_ptr<NetBackend> backend;
  std::array<u8, 6> mac;
};

struct ShareConfig {
  std::string tag;
  std::unique_ptr<p9::Server> server;
};

struct ConsoleConfig {
  std::string name;  // empty: a console
  std::unique_ptr<CharBackend> backend;
};

// ROMs by which firmware starts over the network, one for each kind of adapter; empty: none.
struct BootRoms {
  std::vector<u8> e1000, virtio;
};

struct VsockConfig {
  std::unique_ptr<NetBackend> backend;  // with a vsock::VsockNetwork
  u64 cid;
};

// Paravirtual devices.
struct VirtioConfig {
  std::map<unsigned, std::unique_ptr<BlockBackend>> disks;  // by unit: 0 is vda
  std::vector<NetConfig> nets;
  std::vector<ShareConfig> shares;
  std::optional<VsockConfig> vsock;
  std::vector<ConsoleConfig> consoles;  // ports of one virtio-console
  bool balloon = false;
  std::function<void(std::span<u8>)> entropy;  // empty: no virtio-rng
  bool packed = true;                          // offers packed rings
  bool gpu = false;
  bool input = false;  // a keyboard and a tablet
  bool mmio = false;   // on no bus: at addresses that ACPI tells
};

enum class DriveBus : u8 { Ide, Ahci };
struct DrivePlace {
  DriveBus bus = DriveBus::Ide;
  unsigned unit = 0;  // of the bus: 0 is hda, sda
};

struct PcConfig {
  u64 memory_bytes = 512 * MiB;
  u32 vcpus = 1;
  const cpu::CpuModel* model = nullptr;
  machine::ClockKind clock = machine::ClockKind::Host;
  std::array<std::unique_ptr<CharBackend>, 4> serials;  // null: the port exists, nothing is connected
  std::unique_ptr<CharBackend> debugcon;                // ports 0x402 and 0xe9; null: output vanishes
  std::array<AtaUnit, 4> ide;                           // hda to hdd
  std::map<unsigned, AtaUnit> ahci;                     // by unit: 0 is sda
  std::unique_ptr<BlockBackend> floppy;                 // null: drive A is empty, and not announced
  std::unique_ptr<WavSpeaker> speaker;                  // null: nobody hears it
  bool usb_tablet = false, usb_keyboard = false;        // with one of them, there is a USB
  VirtioConfig virtio;
  std::vector<NetConfig> e1000;  // behind the virtio devices
  BootRoms boot_roms;
  std::optional<u16> debug_exit_port, exit_port;
  std::optional<FirmwareConfig> firmware;
  std::optional<VgaConfig> vga;  // only with firmware
  BootLoader boot;               // where there is no firmware
  bool restart_on_reset = true;  // else run() returns Reset
  std::function<i64()> date;     // seconds since 1970 at power-on; empty: host's date
};

using machine::RunOutcome;

class Pc {
 public:
  static Result<std::unique_ptr<Pc>> create(PcConfig config, cpu::Engine& engine);
  ~Pc();

  mem::GuestMemory& memory();
  machine::Machine& machine();
  const std::vector<machine::Device*>& devices() const;

  // Boots on the first call; after Stopped, goes on. Blocks until the guest ends or request_stop().
  // A failing boot loader is an error; everything that a guest does is an outcome.
  Result<RunOutcome> run();
  // The same for `instructions` at most, on the caller's thread; only with ClockKind::Counted. Empty: so many
  // were retired, and run_for goes on.
  Result<std::optional<RunOutcome>> run_for(u64 instructions);
  Result<void> reboot();  // between calls of run(): all devices reset, then the boot loader
  void request_stop();    // [any-thread] run() returns Stopped
  void power_button();    // [any-thread]
  void request_reset();   // [any-thread]
  void nmi();             // [any-thread]
  // Another disc in a drive, or none. Not from a back end's thread.
  Result<void> change_cd(DrivePlace place, std::unique_ptr<BlockBackend> medium);

  // A port of the host leads into the guest, by its first user network. [any-thread]
  Result<void> forward(const Forward& what);
  // Asks the guest to give up so much of its memory, and to take back what it gave up more. [any-thread]
  Result<void> set_balloon(u64 bytes);

  // Who hears the PC speaker, until it is removed. [any-thread]
  void add_speaker(SpeakerSink& sink);
  void remove_speaker(SpeakerSink& sink);
  // What the interrupt controllers are at, a line each. [any-thread]
  std::string interrupt_text() const;

  // The keyboard and the pointer. [any-thread]
  InputSink& input();
  // Null without a display adapter.
  Display* display();

  // Between calls of run().
  Result<std::vector<u8>> save();
  Result<void> load(std::vector<u8> snapshot);

 private:
  struct Parts;
  explicit Pc(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tandem::devices
