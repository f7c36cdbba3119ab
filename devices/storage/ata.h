// What ATA devices and their controllers share: the task file, command codes, and what a command asks of the
// controller. Sections are of ATA/ATAPI-6 (T13/1410D). A drive decodes commands; a controller (IDE channel,
// AHCI port) moves the data.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "devices/backend/block/block_backend.h"

namespace tandem::devices::ata {

// 7.15 Status
inline constexpr u8 kBusy = 0x80, kReady = 0x40, kSeekDone = 0x10, kDataRequest = 0x08, kError = 0x01;
// 7.9 Error
inline constexpr u8 kErrorAbort = 0x04, kErrorIdNotFound = 0x10, kErrorUncorrectable = 0x40;
// 7.11 Features, of PACKET
inline constexpr u8 kFeatureDma = 0x01;
// 7.10 Device
inline constexpr u8 kDeviceLba = 0x40, kDeviceSecond = 0x10;
// 7.8 Device control
inline constexpr u8 kControlHighOrder = 0x80, kControlReset = 0x04, kControlNoInterrupt = 0x02;
// 8.23 PACKET: interrupt reason, in the sector count register
inline constexpr u8 kReasonCommand = 0x01, kReasonToHost = 0x02;

// A register of the command block, and what was written to it before (6.20 48-bit addresses).
struct Register {
  u8 now = 0, before = 0;
  void write(u8 value) {
    before = now;
    now = value;
  }
  static void fields(auto& a, auto& s) { a(s.now, s.before); }
};

struct TaskFile {
  Register features, count, low, mid, high;
  u8 device = 0, error = 0, status = 0;
  static void fields(auto& a, auto& s) {
    a(s.features, s.count, s.low, s.mid, s.high, s.device, s.error, s.status);
  }
};

// How a drive is wired: by a cable of parallel ATA, or by Serial ATA, which has queued commands.
enum class Transport : u8 { Parallel, Serial };

// What the controller has to do for a command, after which the command ends.
struct Action {
  enum class Kind : u8 {
    Done,    // nothing more; the task file has the result
    DataIn,  // `data` to the host
    Read,    // sectors to the host
    Write,   // sectors from the host
    Flush,
    Packet,  // 12 bytes of a command packet from the host, for packet()
  };
  Kind kind = Kind::Done;
  bool dma = false;
  bool queued =
      false;  // Read, Write: ends by itself, whatever else is under way (Serial ATA, native queuing)
  bool lasting = false;   // Write: flushed before the command ends
  bool interrupt = true;  // Done: whether the host is told
  u64 sector = 0;         // Read, Write: in units of the drive's sector size
  u32 sectors = 0;
  u32 block = 1;  // sectors for each DRQ of PIO
  std::vector<u8> data;
};

class Drive {
 public:
  virtual ~Drive() = default;
  TaskFile& regs() { return regs_; }
  const TaskFile& regs() const { return regs_; }
  virtual u32 sector_size() const = 0;
  virtual bool is_packet_device() const = 0;
  // The medium; null: none.
  BlockBackend* medium() const { return medium_; }

  // After a reset, or EXECUTE DEVICE DIAGNOSTIC: the signature (9.12), and settings of power-on where `hard`.
  virtual void reset(bool hard) = 0;
  virtual Action execute(u8 command) = 0;
  virtual Action packet(std::span<const u8, 12>) { return abort(); }
  // Sectors of a Read, Write or Flush could not be had; `sector` is where the request began.
  virtual void fail(BlockStatus status, u64 sector) = 0;
  // The same for a queued command, which the drive then tells of in its log.
  virtual void fail_queued(u8, BlockStatus status, u64 sector) { fail(status, sector); }

 protected:
  explicit Drive(BlockBackend* medium) : medium_(medium) {}
  Action abort();
  // What commands come to that are well done.
  Action done();
  Action flush();
  Action data_in(std::vector<u8> data, bool dma = false);

  TaskFile regs_;
  BlockBackend* medium_;
};

}  // namespace tandem::devices::ata
