// fw_cfg: the files that firmware asks its machine for (QEMU's docs/specs/fw_cfg), by ports and by DMA.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/machine/device.h"

namespace tandem::devices {

struct FwCfgState {
  u16 selected = 0;
  u32 offset = 0;       // of the next byte of the selected item
  u64 dma_address = 0;  // as written so far
  static void fields(auto& a, auto& s) { a(s.selected, s.offset, s.dma_address); }
};

class FwCfg final : public machine::Device {
 public:
  // Items with a fixed key.
  enum Key : u16 {
    kSignature = 0x00,
    kInterface = 0x01,
    kUuid = 0x02,
    kRamSize = 0x03,
    kCpus = 0x05,
    kMaxCpus = 0x0f,
    kDirectory = 0x19,
    kFirstFile = 0x20,
    kIrq0Override = 0x8002,
  };

  explicit FwCfg(machine::DeviceContext context);

  // Before the machine runs. Content is no state: whoever makes the machine gives the same again.
  void set(u16 key, std::vector<u8> bytes);
  void set_number(u16 key, u64 value, unsigned size);
  void add_file(std::string name, std::vector<u8> bytes);
  // One that depends on what firmware has set up before: made when it is selected, always of one size.
  using Maker = std::function<std::vector<u8>()>;
  void add_file(std::string name, Maker make);

  bus::IoHandler& ports() { return ports_; }          // 2 ports: selector, data
  bus::IoHandler& dma_ports() { return dma_ports_; }  // 8 ports

  std::string_view name() const override { return "fw_cfg"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void port_io(bus::IoAccess& access);
  void dma_io(bus::IoAccess& access);
  void select(u16 key);
  void make_selected();
  u8 next_byte();
  void run_dma();
  bool transfer(u32 control, Gpa to, u32 length);
  void write_directory();

  mem::GuestMemory& memory_;
  std::map<u16, std::vector<u8>> items_;
  std::map<std::string, u16> files_;
  std::map<u16, Maker> makers_;
  mutable std::mutex mutex_;
  FwCfgState state_;
  bus::IoMember<FwCfg> ports_, dma_ports_;
};

}  // namespace tandem::devices
