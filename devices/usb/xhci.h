// A USB host controller of the eXtensible kind (xHCI 1.2): USB 2 ports, one interrupter. Transfers are
// carried out when a doorbell rings, or, where an interrupt endpoint had nothing to say, when its device has.
#pragma once

#include <memory>

#include "devices/pci/pci_device.h"
#include "devices/usb/usb_device.h"
#include "devices/usb/xhci_regs.h"

namespace tandem::devices {

struct XhciTrb {
  u64 parameter = 0;
  u32 status = 0, control = 0;
  u64 at = 0;  // where it was
  u8 type() const { return control >> 10 & 63; }
  u32 length() const { return status & 0x1ffff; }
};

// A place in a ring (4.9), where the consumer goes on.
struct XhciRing {
  u64 at = 0;
  bool cycle = false;
  static void fields(auto& a, auto& s) { a(s.at, s.cycle); }
};

struct XhciPort {
  u8 link = 0;
  bool enabled = false;
  u32 changes = 0, wakes = 0;  // bits of PORTSC
  static void fields(auto& a, auto& s) { a(s.link, s.enabled, s.changes, s.wakes); }
};

struct XhciEvent {
  u64 parameter = 0;
  u32 status = 0, control = 0;  // without the cycle bit
  static void fields(auto& a, auto& s) { a(s.parameter, s.status, s.control); }
};

struct XhciEndpoint {
  u8 state = 0, type = 0;
  XhciRing ring;
  bool waits = false;  // its device had nothing to say
  static void fields(auto& a, auto& s) { a(s.state, s.type, s.ring, s.waits); }
};

struct XhciSlot {
  static constexpr unsigned kEndpoints = 32;  // by their index of a device context; 0 is none
  bool enabled = false;
  u8 state = 0;
  u8 port = 0;  // from 1; 0: none yet
  std::array<XhciEndpoint, kEndpoints> endpoints;
  static void fields(auto& a, auto& s) { a(s.enabled, s.state, s.port, s.endpoints); }
};

struct XhciState {
  static constexpr unsigned kSlots = 8, kPortCount = 4;
  PciConfig config;
  u32 command = 0, status = xhci::kHalted, notification = 0, configure = 0;
  XhciRing command_ring;
  bool command_running = false;
  u64 contexts = 0;  // the array of device contexts
  u32 management = 0, moderation = 0, table_size = 0;
  u64 table = 0, dequeue = 0;
  bool handler_busy = false;
  // The event ring, from the first entry of its table.
  u64 events = 0;
  u32 events_size = 0, event_index = 0;
  bool event_cycle = true;
  std::vector<XhciEvent> delayed;  // events that the ring has no room for
  std::array<XhciPort, kPortCount> ports;
  std::array<XhciSlot, kSlots> slots;
  static void fields(auto& a, auto& s) {
    a(s.config, s.command, s.status, s.notification, s.configure, s.command_ring, s.command_running,
      s.contexts, s.management, s.moderation, s.table_size, s.table, s.dequeue, s.handler_busy, s.events,
      s.events_size, s.event_index, s.event_cycle, s.delayed, s.ports, s.slots);
  }
  bool valid() const;
};

class Xhci final : public PciDevice {
 public:
  Xhci(machine::DeviceContext context, irq::LevelIrq intx, irq::MsiTarget& msi);

  // Before the machine runs: a device at the next port.
  void attach(std::unique_ptr<UsbDevice> device);
  // Runs f with the lock that guards the devices, then asks those that the guest listens to. [any-thread]
  void with_devices(const std::function<void()>& f);

  std::string_view name() const override { return "xhci"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  using Trb = XhciTrb;

  // xhci.cpp: registers
  void memory_io(bus::IoAccess& access);
  u32 read_register(u64 offset) const;
  void write_register(u64 offset, u32 value);
  u32 read_operational(u64 offset) const;
  void write_operational(u64 offset, u32 value);
  void write_interrupter(u64 offset, u32 value);
  void write_command_ring(u32 value);
  void ring_doorbell(u64 number, u32 value);
  void host_reset();
  bool running() const { return (state_.command & xhci::kRun) && !(state_.status & xhci::kHostError); }
  void fail();

  // xhci_ports.cpp
  u32 read_port(unsigned n) const;
  void write_port(unsigned n, u32 value);
  void reset_port(unsigned n);
  void change_port(unsigned n, u32 changes);
  void power_up_ports();
  void ask_devices();
  UsbDevice* device(unsigned port) const;  // port from 1

  // xhci_events.cpp
  void add_event(const XhciEvent& event);
  bool put_event(const XhciEvent& event);
  void put_delayed_events();
  void command_event(const Trb& trb, u8 completion, u8 slot = 0);
  void transfer_event(const Trb& trb, u8 completion, u32 residue, u8 slot, u8 endpoint);
  void load_event_table();
  bool events_left() const;
  void raise();
  void update_interrupt();

  // Rings: the next TRB, links followed. False: it is not there yet, or the ring is no memory.
  bool next_trb(XhciRing& ring, Trb& trb) const;

  // xhci_commands.cpp
  void run_commands();
  void run_command(const Trb& trb);
  u8 enable_slot(u8& slot);
  u8 disable_slot(u8 slot);
  u8 address_device(u8 slot, const Trb& trb);
  u8 configure(u8 slot, const Trb& trb);
  u8 evaluate(u8 slot, const Trb& trb);
  u8 reset_endpoint(u8 slot, u8 endpoint);
  u8 stop_endpoint(u8 slot, u8 endpoint);
  u8 set_dequeue(u8 slot, u8 endpoint, const Trb& trb);
  u8 reset_device(u8 slot);
  void open_endpoint(u8 slot, u8 endpoint, u64 context);
  void close_endpoint(u8 slot, u8 endpoint);
  void set_slot_state(u8 slot, u8 state, u32 address);
  XhciSlot* enabled_slot(u8 slot);
  u64 output_context(u8 slot) const;

  // xhci_transfers.cpp
  void run_endpoint(u8 slot, u8 endpoint);
  bool take_td(XhciRing& ring, bool control, std::vector<Trb>& td) const;
  bool carry_out(u8 slot, u8 endpoint, const std::vector<Trb>& td);
  void finish_td(u8 slot, u8 endpoint, const std::vector<Trb>& td, u8 completion, u32 moved);
  u32 gather(const std::vector<Trb>& td, std::vector<u8>& data, bool fill);
  void scatter(const std::vector<Trb>& td, std::span<const u8> data);
  void set_endpoint_state(u8 slot, u8 endpoint, u8 state);
  void listen(u8 slot, u8 endpoint, bool on);

  mem::GuestMemory& memory_;
  time::Clock& clock_;
  mutable std::mutex mutex_;  // guards all below, and the devices
  XhciState state_;
  std::vector<std::unique_ptr<UsbDevice>> devices_;  // by port, from 0
  bus::IoMember<Xhci> registers_;
};

}  // namespace tandem::devices
