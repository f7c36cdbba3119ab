// USB host controller. Sections: eXtensible Host Controller Interface for Universal Serial Bus 1.2.
#include <random>

#include "tests/device/xhci_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices::xhci;

// 5.3
TEST_F(XhciTest, Capabilities) {
  EXPECT_EQ(bench.read(kBar, 1), 0x40u);
  EXPECT_EQ(bench.read(kBar + 2, 2), 0x0100u);
  EXPECT_EQ(get(kBar + kStructural1), 8u | 1 << 8 | 4u << 24);
  EXPECT_EQ(get(kBar + kDoorbellOffset), kDoorbells);
  EXPECT_EQ(get(kBar + kRuntimeOffset), kRuntime);
  EXPECT_EQ(get(kOp + kPageSizes), 1u);
  // 7.2: the protocol of the ports.
  const u64 extended = kBar + (get(kBar + kCapability1) >> 16) * 4;
  EXPECT_EQ(get(extended), 0x02000002u);
  EXPECT_EQ(get(extended + 4), 0x20425355u);
  EXPECT_EQ(get(extended + 8), 0x0401u);
}

// 4.2, 5.4.1, 5.4.2
TEST_F(XhciTest, RunsAndHalts) {
  EXPECT_EQ(get(kOp + kStatus) & kHalted, kHalted);
  start();
  EXPECT_EQ(get(kOp + kStatus) & kHalted, 0u);
  set(kOp + kCommand, 0);
  EXPECT_EQ(get(kOp + kStatus) & kHalted, kHalted);
  set(kOp + kConfigure, 3);
  set(kOp + kCommand, kReset);
  EXPECT_EQ(get(kOp + kCommand), 0u);
  EXPECT_EQ(get(kOp + kConfigure), 0u);
}

TEST_F(XhciTest, FrameIndex) {
  const u32 before = get(kBar + kRuntime);
  bench.clock.advance(10 * time::kMillisecond);
  EXPECT_EQ(get(kBar + kRuntime) - before, 80u);
}

// 4.19: connected, reset, suspended, resumed.
TEST_F(XhciTest, Ports) {
  EXPECT_EQ(get(kPort1), kPortPower | kPortConnected | kPortConnectChange | kPolling << 5 | 1 << 10);
  EXPECT_EQ(get(kPort1 + 16), kPortPower | kRxDetect << 5);
  start();
  set(kPort1, kPortPower | kPortConnectChange);
  set(kPort1, kPortPower | kPortReset);
  EXPECT_EQ(device->resets, 1u);
  EXPECT_EQ(get(kPort1), kPortPower | kPortConnected | kPortEnabled | kPortResetChange | 1 << 10);
  EXPECT_EQ(get(kOp + kStatus) & kPortChange, kPortChange);
  const Event e = take_event();
  EXPECT_EQ(e.type(), kPortEvent);
  EXPECT_EQ(e.parameter >> 24, 1u);
  set(kPort1, kPortPower | kPortResetChange);
  set(kPort1, kPortPower | kPortLinkStrobe | kU3 << 5);
  EXPECT_EQ(get(kPort1) >> 5 & 15, u32{kU3});
  set(kPort1, kPortPower | kPortLinkStrobe | kResume << 5);
  set(kPort1, kPortPower | kPortLinkStrobe | kU0 << 5);
  EXPECT_EQ(get(kPort1) & (15 << 5 | kPortLinkChange), kPortLinkChange);
  set(kPort1, kPortPower | kPortEnabled);
  EXPECT_EQ(get(kPort1) & kPortEnabled, 0u);
  set(kPort1 + 16, kPortPower | kPortReset);
  EXPECT_EQ(get(kPort1 + 16), kPortPower | kRxDetect << 5);
}

// 4.15.2: a device that may wake the host.
TEST_F(XhciTest, RemoteWakeup) {
  address();
  set(kPort1, kPortPower | kPortResetChange | kPortLinkStrobe | kU3 << 5);
  xhci->with_devices([&] { device->wants_to_wake = true; });
  EXPECT_EQ(get(kPort1) & (15 << 5 | kPortLinkChange), kPortLinkChange | kResume << 5);
  EXPECT_EQ(take_event().type(), kPortEvent);
}

TEST_F(XhciTest, NothingWhileHalted) {
  set(kPort1, kPortPower | kPortReset);
  EXPECT_FALSE(event());
  start();
  set(kOp + kCommand, 0);
  put(commands, 0, 0, type(kNoOpCommand));
  set(kBell, 0);
  EXPECT_FALSE(event());
}

// 4.6.2, 4.9.3, 5.4.5
TEST_F(XhciTest, CommandRing) {
  start();
  EXPECT_EQ(command(0, type(kNoOpCommand)).completion(), kSuccess);
  EXPECT_EQ(get(kOp + kCommandRing), kRingRunning);
  EXPECT_EQ(command(0, type(40)).completion(), kTrbError);
  link(commands);
  EXPECT_EQ(command(0, type(kNoOpCommand)).completion(), kSuccess);
  set(kOp + kCommandRing, kRingStop);
  EXPECT_EQ(get(kOp + kCommandRing), 0u);
  EXPECT_EQ(take_event().completion(), kCommandRingStopped);
  commands = Ring(kCommands + 0x800);
  set(kOp + kCommandRing, static_cast<u32>(commands.at) | 1);
  EXPECT_EQ(command(0, type(kNoOpCommand)).completion(), kSuccess);
}

// 4.17: an interrupt, then none before the handler has ended.
TEST_F(XhciTest, Interrupts) {
  start();
  put(commands, 0, 0, type(kNoOpCommand));
  set(kBell, 0);
  EXPECT_TRUE(bench.wires.level());
  EXPECT_EQ(get(kOp + kStatus) & kEventInterrupt, kEventInterrupt);
  EXPECT_EQ(get(kInt + kManagement), kPending | kEnabled);
  EXPECT_EQ(get(kInt + kDequeue) & 8, 8u);
  set(kInt + kManagement, kPending | kEnabled);
  EXPECT_FALSE(bench.wires.level());
  put(commands, 0, 0, type(kNoOpCommand));
  set(kBell, 0);
  EXPECT_FALSE(bench.wires.level());  // the handler will see it
  event();
  end_handling();
  EXPECT_TRUE(bench.wires.level());  // there is one left
  set(kInt + kManagement, kPending | kEnabled);
  event();
  end_handling();
  EXPECT_FALSE(bench.wires.level());
  set(kOp + kStatus, kEventInterrupt);
  EXPECT_EQ(get(kOp + kStatus) & kEventInterrupt, 0u);
}

// 4.17.5: a message takes the pending bit along.
TEST_F(XhciTest, Messages) {
  unsigned at = xhci->read_config(devices::pci::kCapabilities, 1);
  while (xhci->read_config(at, 1) != devices::pci::kCapabilityMsi) at = xhci->read_config(at + 1, 1);
  xhci->write_config(at + 4, 4, 0xfee00000);
  xhci->write_config(at + 2, 2, 1);
  start();
  command(0, type(kNoOpCommand));
  EXPECT_EQ(msi.messages.size(), 1u);
  EXPECT_EQ(get(kInt + kManagement), kEnabled);
  command(0, type(kNoOpCommand));
  EXPECT_EQ(msi.messages.size(), 2u);
  EXPECT_FALSE(bench.wires.level());
}

// 4.9.4: what the event ring has no room for comes when there is.
TEST_F(XhciTest, EventRingFull) {
  start();
  for (unsigned i = 0; i < kEventCount + 8; ++i) put(commands, 0, 0, type(kNoOpCommand));
  set(kBell, 0);
  for (unsigned i = 0; i < kEventCount + 8; ++i) {
    const auto e = event();
    ASSERT_TRUE(e) << i;
    EXPECT_EQ(e->parameter, kCommands + 16 * i);
    end_handling();
  }
  EXPECT_FALSE(event());
}

// 4.5.3: slots and their states.
TEST_F(XhciTest, SlotLife) {
  start();
  EXPECT_EQ(command(kInput, type(kAddressDevice, 1 << 24)).completion(), kSlotNotEnabled);
  for (u8 slot = 1; slot <= 8; ++slot) EXPECT_EQ(command(0, type(kEnableSlot)).slot(), slot);
  EXPECT_EQ(command(0, type(kEnableSlot)).completion(), kNoSlots);
  EXPECT_EQ(command(0, type(kDisableSlot, 3 << 24)).completion(), kSuccess);
  EXPECT_EQ(command(0, type(kDisableSlot, 3 << 24)).completion(), kSlotNotEnabled);
  EXPECT_EQ(command(0, type(kEnableSlot)).slot(), 3);
}

TEST_F(XhciTest, AddressDevice) {
  start();
  command(0, type(kEnableSlot));
  write_input(1);
  EXPECT_EQ(command(kInput, type(kAddressDevice, 1 << 24)).completion(), kParameterError);
  write_input(3);
  memory().write_value(Gpa{kInput + 0x24}, u32{2} << 16);  // nobody there
  EXPECT_EQ(command(kInput, type(kAddressDevice, 1 << 24)).completion(), kParameterError);
  write_input(3);
  EXPECT_EQ(command(kInput, type(kAddressDevice, 1 << 24 | kTrbBlock)).completion(), kSuccess);
  EXPECT_EQ(slot_state(), u32{kSlotDefault});
  EXPECT_EQ(command(kInput, type(kAddressDevice, 1 << 24)).completion(), kSuccess);
  EXPECT_EQ(slot_state(), u32{kSlotAddressed});
  EXPECT_EQ(memory().read_value<u8>(Gpa{kOutput + 12}), 1);
  EXPECT_EQ(endpoint_state(1), u32{kEpRunning});
  EXPECT_EQ(command(kInput, type(kAddressDevice, 1 << 24)).completion(), kContextError);
}

TEST_F(XhciTest, ConfigureEndpoints) {
  address();
  EXPECT_EQ(command(0, type(kStopEndpoint, 1 << 24 | kInEndpoint << 16)).completion(), kEndpointNotEnabled);
  write_input(1 | 1 << kInEndpoint);
  EXPECT_EQ(command(kInput, type(kConfigureEndpoint, 1 << 24)).completion(), kSuccess);
  EXPECT_EQ(slot_state(), u32{kSlotConfigured});
  EXPECT_EQ(endpoint_state(kInEndpoint), u32{kEpRunning});
  EXPECT_EQ(memory().read_value<u32>(Gpa{kOutput}) >> 27, 3u);
  write_input(1, 1 << kInEndpoint);
  EXPECT_EQ(command(kInput, type(kConfigureEndpoint, 1 << 24)).completion(), kSuccess);
  EXPECT_EQ(endpoint_state(kInEndpoint), u32{kEpDisabled});
  write_input(1 | 1 << kInEndpoint);
  command(kInput, type(kConfigureEndpoint, 1 << 24));
  EXPECT_EQ(command(0, type(kConfigureEndpoint, 1 << 24 | kTrbDeconfigure)).completion(), kSuccess);
  EXPECT_EQ(slot_state(), u32{kSlotAddressed});
  EXPECT_EQ(command(0, type(kResetDevice, 1 << 24)).completion(), kSuccess);
  EXPECT_EQ(slot_state(), u32{kSlotDefault});
  EXPECT_EQ(command(kInput, type(kConfigureEndpoint, 1 << 24)).completion(), kContextError);
}

TEST_F(XhciTest, EvaluateContext) {
  address();
  write_input(2);
  memory().write_value(Gpa{kInput + 0x44}, u32{kControl} << 3 | 64u << 16);
  EXPECT_EQ(command(kInput, type(kEvaluateContext, 1 << 24)).completion(), kSuccess);
  EXPECT_EQ(memory().read_value<u32>(Gpa{kOutput + 0x24}) >> 16, 64u);
}

class XhciControl : public XhciTest {
 protected:
  XhciControl() { address(); }
  void transfer(u64 setup, u32 data_length, bool in, u32 data_flags = kTrbShort) {
    put(control_ring, setup, 8, type(kSetup, kTrbImmediate));
    if (data_length) put(control_ring, kBuffer, data_length, type(kData, data_flags | (in ? 1 << 16 : 0)));
    put(control_ring, 0, 0, type(kStatusStage, kTrbInterrupt));
    ring_bell(1);
  }
};

// 4.11.2.2
TEST_F(XhciControl, In) {
  device->answer = {1, 2, 3, 4};
  transfer(0x0004'0000'0100'0680, 4, true);
  EXPECT_EQ(device->last.type, 0x80);
  EXPECT_EQ(device->last.request, 6);
  EXPECT_EQ(device->last.value, 0x0100);
  EXPECT_EQ(device->last.length, 4);
  EXPECT_EQ(in_memory(kBuffer, 4), device->answer);
  const Event e = take_event();
  EXPECT_EQ(e.type(), kTransferEvent);
  EXPECT_EQ(e.completion(), kSuccess);
  EXPECT_EQ(e.parameter, kControlRing + 32);
  EXPECT_EQ(e.slot(), 1);
  EXPECT_EQ(e.endpoint(), 1);
  EXPECT_FALSE(event());
}

// 4.10.1.1: less than was asked for is told where it happened, then the end.
TEST_F(XhciControl, ShortIn) {
  device->answer = {1, 2, 3};
  transfer(0x0012'0000'0100'0680, 18, true);
  const Event short_packet = take_event();
  EXPECT_EQ(short_packet.completion(), kShortPacket);
  EXPECT_EQ(short_packet.residue(), 15u);
  EXPECT_EQ(short_packet.parameter, kControlRing + 16);
  EXPECT_EQ(take_event().completion(), kSuccess);
}

TEST_F(XhciControl, Out) {
  memory().write(Gpa{kBuffer}, std::array<u8, 3>{7, 8, 9});
  transfer(0x0003'0000'0200'0921, 3, false);
  EXPECT_EQ(device->received, (std::vector<u8>{7, 8, 9}));
  EXPECT_EQ(take_event().completion(), kSuccess);
}

TEST_F(XhciControl, WaitsForItsEnd) {
  put(control_ring, 0x0000'0000'0001'0900, 8, type(kSetup, kTrbImmediate));
  ring_bell(1);
  EXPECT_EQ(device->last.request, 0);
  put(control_ring, 0, 0, type(kStatusStage, kTrbInterrupt));
  ring_bell(1);
  EXPECT_EQ(device->last.request, 9);
  EXPECT_EQ(take_event().completion(), kSuccess);
}

// 4.8.3, 4.10.2.1: a stall halts the endpoint, which software resets and moves on.
TEST_F(XhciControl, Stall) {
  device->stalls = true;
  transfer(0x0004'0000'0100'0680, 4, true);
  const Event e = take_event();
  EXPECT_EQ(e.completion(), kStallError);
  EXPECT_EQ(e.parameter, kControlRing + 16);
  EXPECT_EQ(endpoint_state(1), u32{kEpHalted});
  device->stalls = false;
  ring_bell(1);
  EXPECT_FALSE(event());
  EXPECT_EQ(command(control_ring.at | 1, type(kSetDequeue, 1 << 24 | 1 << 16)).completion(), kContextError);
  EXPECT_EQ(command(0, type(kResetEndpoint, 1 << 24 | 1 << 16)).completion(), kSuccess);
  EXPECT_EQ(endpoint_state(1), u32{kEpStopped});
  EXPECT_EQ(command(control_ring.at | 1, type(kSetDequeue, 1 << 24 | 1 << 16)).completion(), kSuccess);
  transfer(0x0000'0000'0001'0900, 0, false);
  EXPECT_EQ(take_event().completion(), kSuccess);
  EXPECT_EQ(endpoint_state(1), u32{kEpRunning});
}

class XhciInterrupt : public XhciTest {
 protected:
  XhciInterrupt() { configure(); }
  void ask(u64 at, u32 length, u32 flags = kTrbInterrupt) { put(in_ring, at, length, type(kNormal, flags)); }
};

TEST_F(XhciInterrupt, WaitsForTheDevice) {
  EXPECT_FALSE(device->listened);
  ask(kBuffer, 8);
  ask(kBuffer + 8, 8);
  ring_bell(kInEndpoint);
  EXPECT_FALSE(event());
  EXPECT_TRUE(device->listened);
  say({1, 2, 3, 4, 5, 6, 7, 8});
  const Event e = take_event();
  EXPECT_EQ(e.completion(), kSuccess);
  EXPECT_EQ(e.endpoint(), kInEndpoint);
  EXPECT_EQ(e.parameter, kInRing);
  EXPECT_EQ(in_memory(kBuffer, 8), (std::vector<u8>{1, 2, 3, 4, 5, 6, 7, 8}));
  say({9, 9, 9});
  EXPECT_EQ(take_event().completion(), kShortPacket);
  say({5});
  EXPECT_FALSE(event());  // nobody has asked
  link(in_ring);
  ask(kBuffer, 8);
  ring_bell(kInEndpoint);
  EXPECT_EQ(take_event().residue(), 7u);
}

TEST_F(XhciInterrupt, SeveralBuffers) {
  ask(kBuffer, 3, kTrbChain);
  ask(kBuffer + 0x1000, 5);
  ring_bell(kInEndpoint);
  say({1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(take_event().parameter, kInRing + 16);
  EXPECT_EQ(in_memory(kBuffer, 3), (std::vector<u8>{1, 2, 3}));
  EXPECT_EQ(in_memory(kBuffer + 0x1000, 5), (std::vector<u8>{4, 5, 6, 7, 8}));
}

// 4.11.5.2: an event with the driver's own word, and the bytes that came.
TEST_F(XhciInterrupt, EventData) {
  ask(kBuffer, 8, kTrbChain);
  put(in_ring, 0x1122334455667788, 0, type(kEventData, kTrbInterrupt));
  ring_bell(kInEndpoint);
  say({1, 2, 3, 4, 5});
  const Event e = take_event();
  EXPECT_EQ(e.parameter, 0x1122334455667788u);
  EXPECT_EQ(e.residue(), 5u);
  EXPECT_TRUE(e.control & 4);
}

// 4.6.9: the transfer that waits is told of; a doorbell goes on with it.
TEST_F(XhciInterrupt, StopAndGoOn) {
  ask(kBuffer, 8);
  ring_bell(kInEndpoint);
  put(commands, 0, 0, type(kStopEndpoint, 1 << 24 | kInEndpoint << 16));
  set(kBell, 0);
  const Event stopped = take_event();
  EXPECT_EQ(stopped.type(), kTransferEvent);
  EXPECT_EQ(stopped.completion(), kStopped);
  EXPECT_EQ(stopped.residue(), 8u);
  EXPECT_EQ(take_event().completion(), kSuccess);
  EXPECT_FALSE(device->listened);
  EXPECT_EQ(endpoint_state(kInEndpoint), u32{kEpStopped});
  EXPECT_EQ(memory().read_value<u64>(Gpa{kOutput + 0x20 * kInEndpoint + 8}), kInRing | 1);
  say({1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_FALSE(event());
  ring_bell(kInEndpoint);
  EXPECT_EQ(take_event().completion(), kSuccess);
}

TEST_F(XhciInterrupt, Stall) {
  device->stalls = true;
  ask(kBuffer, 8);
  ring_bell(kInEndpoint);
  EXPECT_EQ(take_event().completion(), kStallError);
  EXPECT_EQ(endpoint_state(kInEndpoint), u32{kEpHalted});
}

TEST_F(XhciInterrupt, MovesWithItsState) {
  ask(kBuffer, 8);
  ring_bell(kInEndpoint);
  snapshot::StateWriter writer;
  xhci->save(writer);
  xhci->reset(machine::ResetKind::PowerOn);
  xhci = make();
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(xhci->load(reader.value()));
  EXPECT_TRUE(device->listened);
  say({1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(take_event().completion(), kSuccess);
}

TEST_F(XhciInterrupt, MachineReset) {
  ask(kBuffer, 8);
  ring_bell(kInEndpoint);
  xhci->reset(machine::ResetKind::System);
  say({1});
  EXPECT_FALSE(event());
  place();
  EXPECT_EQ(get(kOp + kStatus), kHalted);
  EXPECT_EQ(get(kPort1) & kPortEnabled, 0u);
}

// 4.24.1: an event ring that is no memory.
TEST_F(XhciTest, HostSystemError) {
  start();
  memory().write_value(Gpa{kTable}, u64{0xf0000000});
  set(kInt + devices::xhci::kTable + 4, 0);
  put(commands, 0, 0, type(kNoOpCommand));
  set(kBell, 0);
  EXPECT_EQ(get(kOp + kStatus) & (kHostError | kHalted), kHostError | kHalted);
}

// Rings and contexts of any content, links without end among them.
TEST_F(XhciTest, Garbage) {
  const u64 seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (unsigned round = 0; round < 8; ++round) {
    configure();
    for (unsigned i = 0; i < 300; ++i) {
      const u64 areas[] = {kCommands, kControlRing, kInRing, kInput, kOutput, kContexts};
      const u64 at = areas[random() % std::size(areas)] + random() % 16 * 16;
      const u64 places[] = {kCommands, kControlRing, kInRing, kBuffer, random(), 0xf0000000};
      memory().write_value(Gpa{at}, places[random() % std::size(places)] | random() % 2);
      memory().write_value(Gpa{at + 8}, static_cast<u32>(random() % 4 ? random() % 64 : random()));
      memory().write_value(Gpa{at + 12}, static_cast<u32>((random() % 32) << 10 | (random() & 0x7f0003ff)));
      set(kBell + random() % 9 * 4, static_cast<u32>(random() % 8));
      if (random() % 8 == 0) set(kPort1, static_cast<u32>(random()));
      if (random() % 16 == 0) say({1, 2, 3});
      if (random() % 32 == 0) set(kOp + (random() % 16) * 4, static_cast<u32>(random()));
    }
    xhci->reset(machine::ResetKind::System);
    place();
    memory().fill(Gpa{kCommands}, 0, 0x10000);
    commands = Ring(kCommands);
    control_ring = Ring(kControlRing);
    in_ring = Ring(kInRing);
    events_taken = 0;
    device->stalls = false;
  }
  configure();
}

}  // namespace
}  // namespace tandem::tests
