// A driver's view of an xHCI, with a device on port 1 that the test plays.
#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "core/base/bits.h"
#include "devices/pci/regs.h"
#include "devices/usb/xhci.h"
#include "tests/support/device_bench.h"

namespace tandem::tests {

// Takes any control request, and gives what the test puts to its endpoint.
class FakeUsbDevice final : public devices::UsbDevice {
 public:
  devices::UsbSpeed speed() const override { return devices::UsbSpeed::Full; }
  void reset() override { ++resets; }
  devices::UsbResult control(const devices::UsbSetup& setup, std::span<u8> data) override {
    last = setup;
    if (stalls) return {devices::UsbStatus::Stall, 0};
    if (!setup.to_host()) {
      received.assign(data.begin(), data.end());
      return {devices::UsbStatus::Ok, static_cast<u32>(data.size())};
    }
    const std::size_t n = std::min(answer.size(), data.size());
    std::copy_n(answer.begin(), n, data.begin());
    return {devices::UsbStatus::Ok, static_cast<u32>(n)};
  }
  devices::UsbResult in(u8, std::span<u8> to) override {
    if (stalls) return {devices::UsbStatus::Stall, 0};
    if (reports.empty()) return {devices::UsbStatus::Nak, 0};
    const std::vector<u8> report = reports.front();
    reports.pop_front();
    const std::size_t n = std::min(report.size(), to.size());
    std::copy_n(report.begin(), n, to.begin());
    return {devices::UsbStatus::Ok, static_cast<u32>(n)};
  }
  devices::UsbResult out(u8, std::span<const u8> from) override {
    received.assign(from.begin(), from.end());
    return {devices::UsbStatus::Ok, static_cast<u32>(from.size())};
  }
  void listened_to(u8, bool on) override { listened = on; }
  bool wakes() const override { return wants_to_wake; }
  void save(snapshot::StateWriter& writer) const override { writer(listened); }
  std::function<void()> load(snapshot::StateReader& reader) override {
    bool v = false;
    reader(v);
    return [this, v] { listened = v; };
  }

  devices::UsbSetup last;
  std::vector<u8> answer, received;
  std::deque<std::vector<u8>> reports;
  bool stalls = false, listened = false, wants_to_wake = false;
  unsigned resets = 0;
};

class XhciTest : public testing::Test {
 protected:
  static constexpr u64 kBar = 0xe0000000;
  static constexpr u64 kOp = kBar + devices::xhci::kOperational, kInt = kBar + devices::xhci::kInterrupter,
                       kPort1 = kBar + devices::xhci::kPorts, kBell = kBar + devices::xhci::kDoorbells;
  static constexpr u64 kCommands = 0x10000, kEvents = 0x11000, kTable = 0x12000, kContexts = 0x13000,
                       kInput = 0x14000, kOutput = 0x15000, kControlRing = 0x16000, kInRing = 0x17000,
                       kBuffer = 0x20000;
  static constexpr u32 kEventCount = 32;
  static constexpr u8 kInEndpoint = 3;  // endpoint 1 IN

  struct Event {
    u64 parameter;
    u32 status, control;
    u8 type() const { return static_cast<u8>(control >> 10 & 63); }
    u8 completion() const { return static_cast<u8>(status >> 24); }
    u32 residue() const { return status & 0xffffff; }
    u8 slot() const { return static_cast<u8>(control >> 24); }
    u8 endpoint() const { return static_cast<u8>(control >> 16 & 31); }
  };
  // The software's end of a ring of TRBs.
  struct Ring {
    u64 start;
    u64 at = 0;
    bool cycle = true;
    Ring(u64 s) : start(s), at(s) {}
  };

  XhciTest() {
    xhci = make();
    place();
  }
  std::unique_ptr<devices::Xhci> make() {
    auto x = std::make_unique<devices::Xhci>(bench.context(), bench.wires.level_irq(), msi);
    auto d = std::make_unique<FakeUsbDevice>();
    device = d.get();
    x->attach(std::move(d));
    return x;
  }
  void place() {
    xhci->write_config(devices::pci::kBar0, 4, kBar);
    xhci->write_config(devices::pci::kCommand, 2,
                       devices::pci::kCommandMemory | devices::pci::kCommandMaster);
  }
  mem::GuestMemory& memory() { return bench.context().memory; }
  u32 get(u64 at) { return static_cast<u32>(bench.read(at)); }
  void set(u64 at, u32 v) { bench.write(at, v); }

  // 4.2 in short.
  void start() {
    using namespace devices::xhci;
    memory().write_value(Gpa{kTable}, kEvents);
    memory().write_value(Gpa{kTable + 8}, u64{kEventCount});
    memory().write_value(Gpa{kContexts + 8}, kOutput);
    set(kOp + kConfigure, 8);
    set(kOp + devices::xhci::kContexts, static_cast<u32>(kContexts));
    set(kOp + kCommandRing, static_cast<u32>(kCommands) | 1);
    set(kInt + kTableSize, 1);
    set(kInt + kDequeue, static_cast<u32>(kEvents));
    set(kInt + devices::xhci::kTable, static_cast<u32>(kTable));
    set(kInt + devices::xhci::kTable + 4, 0);
    set(kInt + kManagement, kEnabled);
    set(kOp + kCommand, kRun | kInterruptsOn);
  }
  void put(Ring& ring, u64 parameter, u32 status, u32 control) {
    memory().write_value(Gpa{ring.at}, parameter);
    memory().write_value(Gpa{ring.at + 8}, status);
    memory().write_value(Gpa{ring.at + 12}, control | (ring.cycle ? 1 : 0));
    ring.at += 16;
  }
  // Back to the ring's start, by a link.
  void link(Ring& ring) {
    put(ring, ring.start, 0, devices::xhci::kLink << 10 | devices::xhci::kTrbToggle);
    ring.at = ring.start;
    ring.cycle = !ring.cycle;
  }
  static u32 type(u8 t, u32 flags = 0) { return u32{t} << 10 | flags; }
  // The next event, if there is one.
  std::optional<Event> event() {
    const u64 at = kEvents + events_taken % kEventCount * 16;
    const Event e{memory().read_value<u64>(Gpa{at}), memory().read_value<u32>(Gpa{at + 8}),
                  memory().read_value<u32>(Gpa{at + 12})};
    const bool cycle = events_taken / kEventCount % 2 == 0;
    if ((e.control & 1) != cycle) return {};
    ++events_taken;
    return e;
  }
  void end_handling() {
    set(kInt + devices::xhci::kDequeue, static_cast<u32>(kEvents + events_taken % kEventCount * 16) | 8);
  }
  Event take_event() {
    const auto e = event();
    EXPECT_TRUE(e.has_value());
    end_handling();
    return e.value_or(Event{});
  }
  Event command(u64 parameter, u32 control) {
    const u64 at = commands.at;
    put(commands, parameter, 0, control);
    set(kBell, 0);
    const Event e = take_event();
    EXPECT_EQ(e.type(), devices::xhci::kCommandEvent);
    EXPECT_EQ(e.parameter, at);
    return e;
  }
  void write_input(u32 add, u32 drop = 0) {
    memory().write_value(Gpa{kInput}, drop);
    memory().write_value(Gpa{kInput + 4}, add);
    memory().write_value(Gpa{kInput + 0x20}, u32{3} << 27);  // entries
    memory().write_value(Gpa{kInput + 0x24}, u32{1} << 16);  // port 1
    write_endpoint(1, devices::xhci::kControl, kControlRing);
    write_endpoint(kInEndpoint, devices::xhci::kInterruptIn, kInRing);
  }
  void write_endpoint(unsigned index, u8 kind, u64 ring) {
    const u64 at = kInput + 0x20 * (index + 1);
    memory().write_value(Gpa{at}, u32{0});
    memory().write_value(Gpa{at + 4}, u32{kind} << 3 | 8u << 16);
    memory().write_value(Gpa{at + 8}, ring | 1);
  }
  // Port 1's device is reset, has slot 1 and an address.
  void address() {
    start();
    set(kPort1, devices::xhci::kPortPower | devices::xhci::kPortReset);
    take_event();
    EXPECT_EQ(command(0, type(devices::xhci::kEnableSlot)).slot(), 1);
    write_input(3);
    EXPECT_EQ(command(kInput, type(devices::xhci::kAddressDevice, 1 << 24)).completion(),
              devices::xhci::kSuccess);
  }
  void configure() {
    address();
    write_input(1 | 1 << kInEndpoint);
    EXPECT_EQ(command(kInput, type(devices::xhci::kConfigureEndpoint, 1 << 24)).completion(),
              devices::xhci::kSuccess);
  }
  void ring_bell(u8 endpoint) { set(kBell + 4, endpoint); }
  u32 slot_state() { return memory().read_value<u32>(Gpa{kOutput + 12}) >> 27; }
  u32 endpoint_state(unsigned index) { return memory().read_value<u32>(Gpa{kOutput + 0x20 * index}) & 7; }
  std::vector<u8> in_memory(u64 at, u64 bytes) {
    std::vector<u8> data(bytes);
    memory().read(Gpa{at}, data);
    return data;
  }
  // Something that a front end does.
  void say(std::vector<u8> report) {
    xhci->with_devices([&] { device->reports.push_back(std::move(report)); });
  }

  DeviceBench bench;
  MsiLog msi;
  std::unique_ptr<devices::Xhci> xhci;
  FakeUsbDevice* device = nullptr;
  Ring commands{kCommands}, control_ring{kControlRing}, in_ring{kInRing};
  u64 events_taken = 0;
};

}  // namespace tandem::tests
