// One port of an AHCI host bus adapter (AHCI 1.3.1): its registers, and the commands of its list for the
// drive behind it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "devices/storage/ata_unit.h"
#include "devices/storage/dma_list.h"

namespace tandem::devices {

struct AhciPortState {
  AtaDriveState drive;
  u64 list = 0, fis = 0;
  u32 is = 0, ie = 0, cmd = 0, signature = ~u32{0}, ssts = 0, sctl = 0, serr = 0, sact = 0, ci = 0;
  u16 tfd = 0x7f;
  u8 slot = 0, next = 0;    // of the command that was fetched last, and where the search for one begins
  bool halted = false;      // after an error: until software stops the port
  bool soft_reset = false;  // SRST is set
  bool fis_waits = false;   // a signature, for a host that receives no FIS yet
  static void fields(auto& a, auto& s) {
    a(s.drive, s.list, s.fis, s.is, s.ie, s.cmd, s.signature, s.ssts, s.sctl, s.serr, s.sact, s.ci, s.tfd,
      s.slot, s.next, s.halted, s.soft_reset, s.fis_waits);
  }
  bool valid() const { return drive.valid() && slot < 32 && next < 32; }
};

class AhciPort {
 public:
  struct Host {
    mem::GuestMemory& memory;
    std::function<bool()> may_master;
    // Whether the port asks for an interrupt. Called with the port's lock held, when that changes.
    std::function<void(bool)> interrupt;
  };
  AhciPort(Host host, std::unique_ptr<ata::Drive> drive);  // null: nothing is connected

  u32 read(u64 offset) const;
  void write(u64 offset, u32 value);
  void run();                                 // fetches commands, if there are any and nothing forbids it
  Result<void> insert(BlockBackend* medium);  // as IdeChannel's

  bool asks_interrupt() const;

  void reset();       // no vCPU runs
  void host_reset();  // GHC.HR
  Result<void> quiesce();
  AhciPortState state() const;
  bool fits(const AhciPortState& state) const;  // with what is connected
  void set_state(const AhciPortState& state);

 private:
  struct Header {  // 4.2.2
    u64 at = 0, table = 0;
    u32 regions = 0;
  };
  // A command between its fetch and its end.
  struct Request {
    Header header;
    ata::Action::Kind kind = ata::Action::Kind::Done;
    u8 slot = 0;
    bool queued = false, lasting = false;
    bool pio_in = false;      // data for which a PIO Setup FIS is sent
    bool descriptor = false;  // a region asks for an interrupt
    u64 sector = 0, bytes = 0;
    u32 generation = 0;
    DmaList dma;
  };
  using RequestPtr = std::shared_ptr<Request>;

  void write_command(u32 value);
  void write_control(u32 value);
  void connect();
  void abandon();
  void update_interrupt();

  // ahci_commands.cpp
  void fetch_all();
  bool may_fetch() const;
  void fetch(u8 slot);
  bool read_header(u8 slot, Header& header) const;
  void control(u8 slot, u8 value);
  void perform(u8 slot, const Header& header, ata::Action action);
  bool gather(Request& r, u64 total, DmaDirection direction);
  bool read_at_once(const Request& r);
  void submit(RequestPtr r, BlockOp op);
  void completed(RequestPtr r, BlockStatus status);
  void end(const Request& r);
  void end_queued(const Request& r);
  void send_signature();
  void receive(u64 at, std::span<const u8> fis);
  void set_task_file();
  void fatal(u32 cause);

  Host host_;
  mutable std::mutex mutex_;  // guards all below
  std::unique_ptr<ata::Drive> drive_;
  AhciPortState state_;
  bool interrupt_ = false;  // as host_ was told
  unsigned under_way_ = 0;  // requests with the back end
  unsigned abandoned_ =
      0;  // those of them that the guest has given up; until they end, no command is fetched
  u32 generation_ = 0;
  ReadAllowance allowance_;  // of this access
};

}  // namespace tandem::devices
