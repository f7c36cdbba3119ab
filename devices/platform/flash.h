// Parallel NOR flash with Intel's command set, one byte wide: where UEFI firmware keeps its variables. Read
// as memory until a command is written (Common Flash Memory Interface, JESD68; Intel 28F008 data sheet).
#pragma once

#include <mutex>
#include <vector>

#include "core/machine/device.h"
#include "devices/backend/block/block_backend.h"

namespace tandem::devices {

struct FlashState {
  enum Mode : u8 { Array, Status, Identifier, Query };
  u8 mode = Array;
  u8 command = 0;  // waits for its second write
  u8 status = 0x80;
  static void fields(auto& a, auto& s) { a(s.mode, s.command, s.status); }
  bool valid() const { return mode <= Query; }
};

class Flash final : public machine::Device, public bus::IoHandler {
 public:
  static constexpr u64 kBlock = 4 * KiB;  // what is erased at once

  struct Place {
    Gpa address;
    u64 offset;  // of its content in guest memory, given by allocate()
    u64 size;    // whole blocks
  };
  // file: takes what changes, with a size of Place's at least; null: it is forgotten.
  Flash(machine::DeviceContext context, const Place& place, BlockBackend* file);
  ~Flash() override;

  void io(bus::IoAccess& access) override;

  std::string_view name() const override { return "flash"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  u8 read(u64 offset) const;
  void write(u64 offset, u8 value);
  void finish_command(u64 offset, u8 value);
  void set_mode(FlashState::Mode mode);
  void change(u64 offset, u64 length, u8 mask, u8 bits);
  void write_back();

  mem::GuestMemory& memory_;
  Place place_;
  BlockBackend* file_;
  mutable std::mutex mutex_;
  FlashState state_;
  mem::Mapping mapping_;
  std::vector<bool> changed_;  // blocks that the file does not have yet
  std::vector<u8> under_way_;  // the block that is being written
};

}  // namespace tandem::devices
