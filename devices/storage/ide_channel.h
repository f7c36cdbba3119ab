// One IDE channel: the registers of two drives, data by PIO and by bus master. Commands that need the host
// set BSY and go on from the back end's thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>

#include "core/bus/bus.h"
#include "core/irq/line.h"
#include "devices/storage/ata_unit.h"
#include "devices/storage/bus_master.h"

namespace tandem::devices {

struct IdeTransfer {
  enum class Phase : u8 {
    Idle,
    In,       // the guest reads `buffer`
    Out,      // the guest writes `buffer`
    Packet,   // the guest writes a command packet
    Dma,      // waits for the bus master to be started
    Host,     // a request is under way
    Stalled,  // the bus master had no memory for the data: until a reset
  };
  Phase phase = Phase::Idle;
  u8 kind = 0;  // ata::Action::Kind
  bool dma = false;
  bool lasting = false;  // what is written is flushed before the command ends
  u64 sector = 0;        // the next that is not in `buffer`
  u32 left = 0;          // how many there are from it on
  u32 block = 1;         // bytes for each DRQ
  u32 position = 0;      // in `buffer`
  u32 drq_end = 0;       // where the DRQ block ends in it
  std::vector<u8> buffer;
  static void fields(auto& a, auto& s) {
    a(s.phase, s.kind, s.dma, s.lasting, s.sector, s.left, s.block, s.position, s.drq_end, s.buffer);
  }
  bool valid() const;
};

struct IdeChannelState {
  std::array<AtaDriveState, 2> drives;
  IdeTransfer transfer;
  BusMasterState master;
  u8 selected = 0, control = 0;
  bool interrupt = false;  // INTRQ, whatever nIEN says
  static void fields(auto& a, auto& s) {
    a(s.drives, s.transfer, s.master, s.selected, s.control, s.interrupt);
  }
  bool valid() const {
    return selected < 2 && transfer.phase != IdeTransfer::Phase::Host && transfer.valid();
  }
};

class IdeChannel {
 public:
  using Drives = std::array<std::unique_ptr<ata::Drive>, 2>;  // null: none
  IdeChannel(mem::GuestMemory& memory, irq::LevelIrq irq, Drives drives, std::function<bool()> may_master);

  bus::IoHandler& command_ports() { return command_ports_; }  // 8 ports
  bus::IoHandler& control_port() { return control_port_; }    // 1 port
  void master_io(bus::IoAccess& access);                      // 8 ports

  // Another disc in a CD-ROM drive, or none. [any-thread but the back end's]
  Result<void> insert(unsigned drive, BlockBackend* medium);

  void reset();
  Result<void> quiesce();
  IdeChannelState state() const;
  // False: the state is not of these drives.
  bool fits(const IdeChannelState& state) const;
  void set_state(const IdeChannelState& state);

 private:
  using Phase = IdeTransfer::Phase;
  void command_io(bus::IoAccess& access);
  void control_io(bus::IoAccess& access);
  u8 read_register(u64 offset);
  void write_register(u64 offset, u8 value);
  void write_control(u8 value);
  u8 status();
  void raise();
  void lower();
  void update_irq();

  // ide_transfer.cpp
  void execute(u8 command);
  void diagnose();
  void start(ata::Action action);
  void start_packet();
  void end();
  void end_with_interrupt();
  void reset_drives(bool hard);
  u64 read_data(unsigned size);
  void write_data(u64 value, unsigned size);
  void open_block();
  void block_through();
  void fill();
  void store();
  void run_master();
  void submit(BlockOp op, u64 bytes, Buffers buffers);
  void completed(BlockStatus status);
  void go_on(BlockStatus status);

  bool present() const { return drives_[0] || drives_[1]; }
  ata::Drive* drive() { return drives_[selected_].get(); }
  bool to_host() const { return ata::Action::Kind{transfer_.kind} != ata::Action::Kind::Write; }

  mem::GuestMemory& memory_;
  irq::LevelIrq irq_;
  std::function<bool()> may_master_;
  mutable std::mutex mutex_;  // guards all below
  Drives drives_;
  IdeTransfer transfer_;
  BusMaster master_;
  DmaList dma_;  // of the request under way; the back end's thread reads it, nobody changes it meanwhile
  bool dma_more_ = false;
  u8 selected_ = 0, control_ = 0;
  bool interrupt_ = false;
  bool reset_pending_ = false;  // a reset waits for what is under way
  bus::IoMember<IdeChannel> command_ports_, control_port_;
};

}  // namespace tandem::devices
