// PciDevice: one PCI function: configuration space, movable BARs, INTx.
#pragma once

#include <array>
#include <mutex>
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

 protected:
  PciDevice(machine::DeviceContext context, const PciIdentity& identity);

  // In the constructor: size is a power of two; the handler sees offsets from the BAR's start.
  void add_bar(unsigned index, BarKind kind, u64 size, bus::IoHandler& handler);
  // The same for memory that GuestMemory::allocate() gave: accesses don't come to the device.
  void add_bar(unsigned index, BarKind kind, u64 size, mem::Backing memory);
  void add_rom(u64 size, u64 offset);
  void set_writable(unsigned offset, std::initializer_list<u8> masks);
  void set_config(unsigned offset, unsigned size, u32 value);  // also what a reset gives
  void put_config(unsigned offset, unsigned size, u32 value);
  u32 config(unsigned offset, unsigned size) const;
  // Takes a 2-byte aligned place for a capability, links it, returns its offset.
  unsigned add_capability(u8 id, unsigned size);
  // In the constructor: the MSI-X capability, with the table in a BAR of its own.
  void add_msix(unsigned bar, Msix& msix);
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
    bus::Claim claim;
    mem::Mapping mapping;
  };
  void make_bar(Bar bar);
  bool map_bar(Bar& bar, u64 address);
  void map_bars();
  u64 bar_address(const Bar& bar) const;
  void tell_msix();

  machine::DeviceContext context_;
  mutable std::mutex config_mutex_;  // guards all below
  PciConfig config_, initial_;
  std::array<u8, 256> writable_{};
  std::vector<Bar> bars_;
  unsigned next_capability_ = 0x40, last_link_ = 0x34;
  Msix* msix_ = nullptr;
  unsigned msix_control_ = 0;  // where its message control register is
};

}  // namespace tandem::devices
