// Intel 82540EM gigabit Ethernet controller ("e1000"; PCI/PCI-X Family of Gigabit Ethernet Controllers
// Software Developer's Manual). Frames move on the back end's thread; vCPUs only wake it.
#pragma once

#include "devices/backend/net/net_backend.h"
#include "devices/net/e1000_eeprom.h"
#include "devices/net/e1000_phy.h"
#include "devices/net/e1000_regs.h"
#include "devices/net/segment.h"
#include "devices/pci/pci_device.h"

namespace tandem::devices {

// A context descriptor (3.3.6): where things are in the frames that follow.
struct E1000Context {
  SumPlace ip, transport;
  u32 payload_bytes = 0;
  u16 segment_bytes = 0;
  u8 header_bytes = 0;
  bool ipv4 = false, tcp = false;
  static void fields(auto& a, auto& s) {
    a(s.ip, s.transport, s.payload_bytes, s.segment_bytes, s.header_bytes, s.ipv4, s.tcp);
  }
};

// A frame whose descriptors have been fetched so far.
struct E1000Frame {
  std::vector<u8> bytes;
  bool begun = false, too_long = false;
  bool segmented = false, sum_ip = false, sum_transport = false;
  bool legacy_sum = false, tagged = false;
  SumPlace sum;  // of a legacy descriptor
  u16 tag = 0;   // VLAN
  static void fields(auto& a, auto& s) {
    a(s.bytes, s.begun, s.too_long, s.segmented, s.sum_ip, s.sum_transport, s.legacy_sum, s.tagged, s.sum,
      s.tag);
  }
};

struct E1000State {
  PciConfig config;
  std::array<u32, e1000::kRegistersEnd / 4> registers{};
  e1000::Phy::Registers phy{};
  e1000::Microwire eeprom;
  u32 io_address = 0;      // the register that the data port leads to
  i64 next_interrupt = 0;  // GuestNs: throttled until then
  bool interrupt = false;
  E1000Context sums, segments;  // the last of each kind
  E1000Frame sending;
  static void fields(auto& a, auto& s) {
    a(s.config, s.registers, s.phy, s.eeprom, s.io_address, s.next_interrupt, s.interrupt, s.sums, s.segments,
      s.sending);
  }
  bool valid() const;
};

class E1000 final : public PciDevice, private NetPort {
 public:
  using MacAddress = e1000::MacAddress;
  // The back end stays with the caller. `name`: unique on the board.
  E1000(machine::DeviceContext context, std::string name, irq::LevelIrq intx, irq::MsiTarget& msi,
        NetBackend& backend, const MacAddress& mac);
  ~E1000() override;

  std::string_view name() const override { return name_; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override;
  void resume() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void memory_io(bus::IoAccess& access);
  void port_io(bus::IoAccess& access);
  u32 read_register(u32 offset);
  void write_register(u32 offset, u32 value);
  void write_control(u32 value);
  void write_eecd(u32 value);
  u32& reg(u32 offset) { return state_.registers[offset / 4]; }
  u32 reg(u32 offset) const { return state_.registers[offset / 4]; }
  u64 wide(u32 low) const { return reg(low) | u64{reg(low + 4)} << 32; }
  void count(u32 statistic, u32 n = 1);
  void count_bytes(u32 low, u64 n);
  void soft_reset();
  void cause(u32 causes);
  void update_interrupt();
  bool link_up() const { return phy_.link_up(); }

  // e1000_receive.cpp
  bool deliver(Frame frame) override;
  bool takes(Frame frame) const;
  bool receive(Frame frame);
  u32 free_descriptors(u32 descriptors) const;
  u32 buffer_bytes() const;
  void count_received(Frame frame);

  // e1000_transmit.cpp
  void collect(const FrameSink& out) override;
  bool take_frame(E1000Frame& frame, SegmentPlan& plan);
  bool take_descriptor(bool& end);
  void take_context(const u8* descriptor);
  void take_data(const u8* descriptor);
  void finish_frame(const u8* last);
  SegmentPlan segment_plan() const;
  void count_sent(const E1000Frame& frame);
  bool loops_back() const;

  std::string name_;
  NetBackend& backend_;
  time::Clock& clock_;
  const e1000::EepromWords eeprom_;
  mutable std::mutex mutex_;  // guards all below
  E1000State state_;
  e1000::Phy phy_;
  bool starved_ = false;  // a frame waits for descriptors
  std::vector<u8> arrival_;
  bus::IoMember<E1000> memory_, ports_;
  time::Timer throttle_;
};

}  // namespace tandem::devices
