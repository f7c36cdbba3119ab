// 82077AA floppy disk controller with its data on ISA DMA channel 2. Seeks end at once; transfers without DMA
// are refused.
#pragma once

#include <array>
#include <mutex>

#include "core/irq/line.h"
#include "devices/backend/block/block_backend.h"
#include "devices/platform/isa_dma.h"
#include "devices/storage/floppy_format.h"

namespace tandem::devices {

struct FdcState {
  u8 dor = 0x0c, tape = 0, data_rate = 0;
  std::array<u8, 16> bytes{};  // of the command, then of its result
  u8 received = 0;             // bytes of the command so far
  u8 given = 0, results = 0;   // of the result
  u8 reset_senses = 0;         // SENSE INTERRUPT STATUS after a reset still to come
  bool seek_done = false;      // status is for SENSE INTERRUPT STATUS
  u8 status0 = 0;
  bool irq = false;
  std::array<u8, 4> track{};
  std::array<bool, 4> changed{true, true, true, true};
  bool locked = false, perpendicular = false;
  u8 specify[2] = {}, configure[2] = {}, last_eot = 0;
  static void fields(auto& a, auto& s) {
    a(s.dor, s.tape, s.data_rate, s.bytes, s.received, s.given, s.results, s.reset_senses, s.seek_done,
      s.status0, s.irq, s.track, s.changed, s.locked, s.perpendicular, s.specify, s.configure, s.last_eot);
  }
  bool valid() const { return received < 16 && results <= 16 && given <= results && reset_senses <= 4; }
};

class Fdc final : public machine::Device {
 public:
  static constexpr unsigned kDmaChannel = 2, kDrives = 2;

  // medium: in drive A, of a size that is a floppy's; may be null.
  Fdc(irq::LevelIrq irq, IsaDma& dma, BlockBackend* medium);
  ~Fdc() override;

  bus::IoHandler& ports() { return ports_; }               // 6 ports: 3F0h..3F5h
  bus::IoHandler& digital_input_port() { return input_; }  // 3F7h

  std::string_view name() const override { return "fdc"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  struct Command {
    u8 mask, code;  // of the first byte
    u8 length;      // bytes of it all
    void (Fdc::*run)();
  };
  static const Command& command_of(u8 first);

  // Where a transfer is: sector id and head, with the image's sector.
  struct Position {
    u8 cylinder, head, sector;
  };

  // A command under way that moves sectors, one at a time through the back end. Never saved: see quiesce().
  struct Transfer {
    enum class Kind : u8 { None, Read, Write, Verify, Format };
    Kind kind = Kind::None;
    Position at{};
    bool over = false;  // after this sector: terminal count, or as many as the command says
    u8 left = 0;        // Verify, Format: sectors
    std::array<u8, kSectorSize> data{};
  };

  void io(bus::IoAccess& access);
  void input_io(bus::IoAccess& access);
  u8 read_register(u64 offset);
  void write_register(u64 offset, u8 value);
  void write_dor(u8 value);
  void soft_reset();
  u8 main_status() const;
  u8 read_fifo();
  void write_fifo(u8 value);
  void set_irq(bool on);
  void give(std::initializer_list<u8> results);

  void read_data();
  void write_data();
  void verify();
  void format_track();
  void read_id();
  void recalibrate();
  void seek();
  void relative_seek();
  void sense_interrupt();
  void sense_drive();
  void specify();
  void configure();
  void perpendicular();
  void lock();
  void dump_registers();
  void version();
  void part_id();
  void invalid();

  void start_transfer(Transfer::Kind kind);
  void next_transfer();
  u8 format_next();
  u8 fetch();
  void submit(BlockOp op, u64 sector);
  void completed(BlockStatus status);
  void sector_done(BlockStatus status);
  void end_transfer(u8 status0, u8 status1, u8 status2, Position at);
  void end_seek(u8 status0);
  bool next_sector(Position& at) const;
  BlockBackend* medium() { return drive() == 0 ? medium_ : nullptr; }
  unsigned drive() const { return state_.bytes[1] & 3; }
  u8 drive_and_head() const { return state_.bytes[1] & 7; }

  irq::LevelIrq irq_;
  IsaDma& dma_;
  BlockBackend* medium_;
  FloppyFormat format_;
  mutable std::mutex mutex_;  // guards all below
  FdcState state_;
  Transfer transfer_;
  bool under_way_ = false;  // a request to the back end
  bool dropped_ = false;    // a reset came meanwhile
  bus::IoMember<Fdc> ports_, input_;
};

}  // namespace tandem::devices
