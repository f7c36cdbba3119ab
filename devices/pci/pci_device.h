// PciDevice: one PCI function: configuration space, movable BARs, its interrupt, its power state.
#pragma once

#include <array>
#include <mutex>
#include <optional>
#include <vector>

#include "core/irq/line.h"
#include "core/machine/device.h"
#include "devices/pci/msix.h"

namespace tandem::devices {

struct PciIdentity {
  u16 vendor, device;
  u32 class_code;  // base class, sub-class, interface
  u8 revision = 0;
  u16 subsystem_vendor = 0, subsystem = 0;
  u8 interrupt_pin = 0;  // 1 = INTA#
  bool multifunction = false;
};

enum class BarKind : u8 { Io, Memory32, Prefetchable32, Memory64, Prefetchable64, Rom };

struct PciConfig {
  std::array<u8, 256> bytes{};
  static void fields(auto& a, auto& s) { a(s.bytes); }
  bool operator==(const PciConfig&) const = default;
};

class PciDevice : public machine::Device {
 public:
  // At most 4 bytes, not across a dword. [any-thread]
  u32 read_config(unsigned offset, unsigned size);
  void write_config(unsigned offset, unsigned size, u32 value);
  // Before the machine runs: an expansion ROM, of `size` bytes (a power of two) at `offset` of the memfd.
  void add_rom(u64 size, u64 offset);

 protected:
  PciDevice(machine::DeviceContext context, const PciIdentity& identity);

  // In the constructor: size is a power of two; the handler sees offsets from the BAR's start.
  void add_bar(unsigned index, BarKind kind, u64 size, bus::IoHandler& handler);
  // The same for memory that GuestMemory::allocate() gave: accesses don't come to the device.
  void add_bar(unsigned index, BarKind kind, u64 size, mem::Backing memory);
  // Places in a BAR that has a handler, wherever the guest puts it; in place of those before. [any-thread]
  void set_doorbells(unsigned index, std::vector<bus::Bell> bells);
  void set_writable(unsigned offset, std::initializer_list<u8> masks);
  void set_config(unsigned offset, unsigned size, u32 value);  // also what a reset gives
  void put_config(unsigned offset, unsigned size, u32 value);
  u32 config(unsigned offset, unsigned size) const;
  // Takes a 2-byte aligned place for a capability, links it, returns its offset.
  unsigned add_capability(u8 id, unsigned size);
  // In the constructor: the MSI-X capability, with the table in a BAR of its own.
  void add_msix(unsigned bar, Msix& msix);
  // In the constructor, for a function with one interrupt: INTA#, and a message where MSI is enabled.
  void add_interrupt(irq::LevelIrq intx, irq::MsiTarget& msi);
  // The interrupt's level; where it rises, a message goes. Under the device's lock. [any-thread]
  void set_interrupt(bool level);
  // One more message while the level is high: something new was added to what it stands for.
  void repeat_interrupt();
  bool uses_messages() const;  // set_interrupt(true) sends one
  // In load(), instead of set_interrupt(): the message has gone already.
  void load_interrupt(bool level);
  // In the constructor: the power management capability, with D0 and D3hot, where the function keeps its
  // state but answers to nothing outside configuration space.
  void add_power_management();
  // Before the guest reads; config_mutex() is not held.
  virtual void config_wanted(unsigned offset, unsigned size);
  // After a write by the guest; config_mutex() is not held.
  virtual void config_written(unsigned offset, unsigned size);

  void reset_config();
  PciConfig config_state() const;
  void load_config(const PciConfig& config);
  machine::DeviceContext& context() { return context_; }
  bool bus_master() const;

 private:
  struct Bar {
    unsigned at;  // in configuration space
    BarKind kind;
    u64 size;
    bus::IoHandler* handler;  // or null, and
    mem::Backing memory;
    u64 mapped = ~u64{0};
    bus::Claim claim{};
    mem::Mapping mapping{};
    std::vector<bus::Bell> doorbells{};
  };
  void make_bar(Bar bar);
  bool map_bar(Bar& bar, u64 address);
  void map_bars();
  u64 bar_address(const Bar& bar) const;
  void tell_msix();
  // These need config_mutex_.
  u16 config_word(unsigned offset) const;
  bool sleeps() const;
  void keep_power_state(u8 old);
  bool msi_enabled() const;
  void send_message();
  void drive_intx();

  machine::DeviceContext context_;
  mutable std::mutex config_mutex_;  // guards all below
  PciConfig config_, initial_;
  std::array<u8, 256> writable_{};
  std::vector<Bar> bars_;
  unsigned next_capability_ = 0x40, last_link_ = 0x34;
  Msix* msix_ = nullptr;
  unsigned msix_control_ = 0;     // where its message control register is
  unsigned msi_ = 0, power_ = 0;  // the capabilities; 0: none
  irq::MsiTarget* msi_target_ = nullptr;
  std::optional<irq::LevelIrq> intx_;
  bool interrupt_ = false;
};

}  // namespace tandem::devices
