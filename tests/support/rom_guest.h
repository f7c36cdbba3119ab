// A Pc that starts a test guest's ROM, as the guests and the snapshot suite do.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/cpu/cpuid_models.h"
#include "devices/board/pc.h"
#include "tests/support/capture_backend.h"

namespace tandem::tests {

inline constexpr u64 kRomAddress = 0xf0000;
inline constexpr u16 kGuestExitPort = 0x501;

inline std::vector<u8> read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The ROM as the CPU finds it after reset, without firmware.
inline devices::BootLoader rom_loader(std::vector<u8> rom) {
  return [rom = std::move(rom)](mem::GuestMemory& memory, const devices::BootInfo&) -> Result<cpu::CpuState> {
    memory.write(Gpa{kRomAddress}, rom);
    cpu::CpuState state = cpu::reset_state(true, 0);
    state.segments[cpu::kCs].base = kRomAddress;
    return state;
  };
}

struct RomGuest {
  cpu::CpuModel model = cpu::default_cpu_model();
  std::shared_ptr<Transcript> transcript = std::make_shared<Transcript>();
  std::unique_ptr<cpu::Engine> engine;
  std::unique_ptr<devices::Pc> pc;
};

// Fails hard where the machine can't be made: then nothing can be tested.
inline std::unique_ptr<RomGuest> make_rom_guest(std::unique_ptr<cpu::Engine> engine, std::vector<u8> rom,
                                                machine::ClockKind clock = machine::ClockKind::Host,
                                                const std::function<void(devices::PcConfig&)>& adjust = {}) {
  auto guest = std::make_unique<RomGuest>();
  guest->engine = std::move(engine);
  devices::PcConfig config;
  config.memory_bytes = 32 * MiB;
  config.model = &guest->model;
  config.clock = clock;
  config.debugcon = std::make_unique<CaptureBackend>(guest->transcript);
  config.debug_exit_port = kGuestExitPort;
  config.restart_on_reset = false;
  config.date = [] { return i64{1'700'000'000}; };
  config.boot = rom_loader(std::move(rom));
  if (adjust) adjust(config);
  guest->pc = devices::Pc::create(std::move(config), *guest->engine).take();
  return guest;
}

}  // namespace tandem::tests
