// Frames between a host and a drive (Serial ATA 3.0, 10.3): those that carry registers.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "devices/storage/ata.h"

namespace tandem::devices::ata {

using RegisterFis = std::array<u8, 20>;
using SetBitsFis = std::array<u8, 8>;

// Register, host to device.
struct HostFis {
  bool is_command = false;  // else a write to the control register
  u8 command = 0, control = 0;
};
// Fills the registers of a command; nothing: another kind of frame.
std::optional<HostFis> take_host_fis(std::span<const u8, 20> fis, TaskFile& regs);

// Register, device to host.
RegisterFis register_fis(const TaskFile& regs, bool interrupt);
// PIO Setup, for data to the host where `to_host`; the registers are those behind it.
RegisterFis pio_setup_fis(const TaskFile& regs, bool to_host, u16 bytes);
// Set Device Bits: `finished` queued commands.
SetBitsFis set_bits_fis(const TaskFile& regs, u32 finished);

}  // namespace tandem::devices::ata
