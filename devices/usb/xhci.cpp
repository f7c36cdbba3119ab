// Registers (xHCI 1.2, chapter 5). Ports, events, commands and transfers have files of their own.
#include "devices/usb/xhci.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

using namespace xhci;

namespace {

constexpr unsigned kBar = 0;
constexpr u32 kVersion = 0x0100;
constexpr u32 kWide = 1;  // of kCapability1: 64-bit addresses
constexpr i64 kMicroframe = 125 * time::kMicrosecond;

// 7.2: ports 1 to kPortCount are of USB 2.0.
constexpr u32 kProtocol[] = {0x02000002, 0x20425355, 1 | XhciState::kPortCount << 8, 0};

u32 low(u64 v) { return static_cast<u32>(v); }
u32 high(u64 v) { return static_cast<u32>(v >> 32); }
void set_low(u64& v, u32 value) { v = (v & ~low_mask(32)) | value; }
void set_high(u64& v, u32 value) { v = (v & low_mask(32)) | u64{value} << 32; }

}  // namespace

bool XhciState::valid() const {
  if (event_index > 0xffff || events_size > 0xffff || delayed.size() > 0xffff) return false;
  for (const XhciSlot& s : slots)
    if (s.port > kPortCount || s.state > kSlotConfigured) return false;
  return true;
}

Xhci::Xhci(machine::DeviceContext context, irq::LevelIrq intx, irq::MsiTarget& msi)
    : PciDevice(context, {.vendor = 0x1b36,
                          .device = 0x000d,
                          .class_code = 0x0c0330,
                          .revision = 1,
                          .subsystem_vendor = 0x1af4,
                          .subsystem = 0x1100}),
      memory_(context.memory),
      clock_(context.clock),
      registers_(*this, &Xhci::memory_io) {
  constexpr unsigned kReleaseNumber = 0x60;  // 5.2.3: of the bus, 3.0
  set_config(kReleaseNumber, 1, 0x30);
  add_bar(kBar, BarKind::Memory64, kBarSize, registers_);
  add_interrupt(intx, msi);
  add_power_management();
  power_up_ports();
}

void Xhci::attach(std::unique_ptr<UsbDevice> device) {
  devices_.push_back(std::move(device));
  power_up_ports();
}

void Xhci::with_devices(const std::function<void()>& f) {
  std::lock_guard lock(mutex_);
  f();
  ask_devices();
}

u32 Xhci::read_operational(u64 offset) const {
  const XhciState& s = state_;
  switch (offset) {
    case kCommand: return s.command;
    case kStatus: return s.status;
    case kPageSizes: return 1;  // 4 KiB
    case kNotification: return s.notification;
    case kCommandRing: return s.command_running ? kRingRunning : 0;
    case kContexts: return low(s.contexts);
    case kContexts + 4: return high(s.contexts);
    case kConfigure: return s.configure;
    default: return 0;
  }
}

u32 Xhci::read_register(u64 at) const {
  const XhciState& s = state_;
  if (at >= kExtended && at < kExtended + sizeof kProtocol) return kProtocol[(at - kExtended) / 4];
  if (at >= kPorts && at < kPorts + 16 * XhciState::kPortCount)
    return at % 16 == 0 ? read_port(static_cast<unsigned>((at - kPorts) / 16)) : 0;
  if (at >= kOperational && at < kPorts) return read_operational(at - kOperational);
  switch (at) {
    case kCapLength: return low(kOperational) | kVersion << 16;
    case kStructural1: return XhciState::kSlots | 1 << 8 | XhciState::kPortCount << 24;
    case kCapability1: return kWide | low(kExtended / 4) << 16;
    case kDoorbellOffset: return low(kDoorbells);
    case kRuntimeOffset: return low(kRuntime);
    case kRuntime + kFrameIndex: return static_cast<u32>(raw(clock_.now()) / kMicroframe & 0x3fff);
    case kInterrupter + kManagement: return s.management;
    case kInterrupter + kModeration: return s.moderation;
    case kInterrupter + kTableSize: return s.table_size;
    case kInterrupter + kTable: return low(s.table);
    case kInterrupter + kTable + 4: return high(s.table);
    case kInterrupter + kDequeue: return low(s.dequeue) | (s.handler_busy ? kHandlerBusy : 0);
    case kInterrupter + kDequeue + 4: return high(s.dequeue);
    default: return 0;
  }
}

// 5.4.5: while commands are carried out, they can be stopped, and nothing else.
void Xhci::write_command_ring(u32 value) {
  XhciState& s = state_;
  if (!s.command_running) {
    set_low(s.command_ring.at, value & low(kRingAddress));
    s.command_ring.cycle = value & kRingCycle;
  } else if (value & (kRingStop | kRingAbort)) {
    s.command_running = false;
    command_event({.parameter = 0, .at = s.command_ring.at}, kCommandRingStopped);
  }
}

void Xhci::write_operational(u64 offset, u32 value) {
  XhciState& s = state_;
  switch (offset) {
    case kCommand:
      if (value & kReset) return host_reset();
      s.command = value & kCommandKept;
      if (s.command & kRun) s.status &= ~kHalted;
      else s.status |= kHalted;
      if (!(s.command & kRun)) s.command_running = false;
      return update_interrupt();
    case kStatus: s.status &= ~(value & (kHostError | kEventInterrupt | kPortChange)); break;
    case kNotification: s.notification = value & 0xffff; break;
    case kCommandRing: write_command_ring(value); break;
    case kCommandRing + 4:
      if (!s.command_running) set_high(s.command_ring.at, value);
      break;
    case kContexts: set_low(s.contexts, value & low(kRingAddress)); break;
    case kContexts + 4: set_high(s.contexts, value); break;
    case kConfigure: s.configure = value & 0x3ff; break;
    default: break;
  }
}

void Xhci::write_interrupter(u64 offset, u32 value) {
  XhciState& s = state_;
  switch (offset) {
    case kManagement:
      s.management = (s.management & kPending & ~value) | (value & kEnabled);
      return update_interrupt();
    case kModeration: s.moderation = value; break;  // events are too few to hold back
    case kTableSize: s.table_size = value & 0xffff; break;
    case kTable: set_low(s.table, value & low(kRingAddress)); break;
    case kTable + 4: set_high(s.table, value); return load_event_table();
    case kDequeue:
      set_low(s.dequeue, value & ~15u);
      if (value & kHandlerBusy) s.handler_busy = false;
      put_delayed_events();
      if (!s.handler_busy && events_left()) raise();
      break;
    case kDequeue + 4: set_high(s.dequeue, value); break;
    default: break;
  }
}

void Xhci::ring_doorbell(u64 number, u32 value) {
  if (!running() || !bus_master()) return;
  const u8 target = static_cast<u8>(value);
  if (number == 0) {
    if (target == 0) run_commands();
    return;
  }
  if (number > XhciState::kSlots || target == 0 || target >= XhciSlot::kEndpoints) return;
  const u8 slot = static_cast<u8>(number);
  XhciSlot* s = enabled_slot(slot);
  if (!s) return;
  // 4.8.3: a doorbell starts a stopped endpoint.
  if (s->endpoints[target].state == kEpStopped) set_endpoint_state(slot, target, kEpRunning);
  run_endpoint(slot, target);
}

void Xhci::write_register(u64 at, u32 value) {
  if (at >= kDoorbells && at < kDoorbells + 4 * (XhciState::kSlots + 1))
    return ring_doorbell((at - kDoorbells) / 4, value);
  if (at >= kPorts && at < kPorts + 16 * XhciState::kPortCount) {
    if (at % 16 == 0) write_port(static_cast<unsigned>((at - kPorts) / 16), value);
  } else if (at >= kOperational && at < kPorts) {
    write_operational(at - kOperational, value);
  } else if (at >= kInterrupter && at < kInterrupter + 32) {
    write_interrupter(at - kInterrupter, value);
  }
}

void Xhci::memory_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Write) {
    if (access.offset % 4) return;
    for (unsigned done = 0; done + 4 <= access.size; done += 4)
      write_register(access.offset + done, static_cast<u32>(access.value >> 8 * done));
    return;
  }
  const u64 dword = access.offset & ~u64{3};
  u64 value = read_register(dword);
  if (access.offset % 4 + access.size > 4) value |= u64{read_register(dword + 4)} << 32;
  access.value = value >> 8 * (access.offset % 4) & low_mask(8u * access.size);
}

// 4.2: all but the ports' connections is as after power-up.
void Xhci::host_reset() {
  state_ = {};
  for (auto& d : devices_) d->reset();
  power_up_ports();
  update_interrupt();
}

// Its own structures are no memory (4.24.1 "Host System Error").
void Xhci::fail() {
  state_.status |= kHostError | kHalted;
  state_.command &= ~kRun;
}

bool Xhci::next_trb(XhciRing& ring, Trb& trb) const {
  constexpr unsigned kMaxLinks = 64;
  for (unsigned links = 0; links < kMaxLinks; ++links) {
    std::array<u8, kTrbSize> bytes;
    if (!memory_.read(Gpa{ring.at}, bytes)) return false;
    trb = {load_le<u64>(&bytes[0]), load_le<u32>(&bytes[8]), load_le<u32>(&bytes[12]), ring.at};
    if ((trb.control & kTrbCycle) != (ring.cycle ? kTrbCycle : 0)) return false;
    if (trb.type() != kLink) {
      ring.at += kTrbSize;
      return true;
    }
    ring.at = trb.parameter & ~u64{15};
    if (trb.control & kTrbToggle) ring.cycle = !ring.cycle;
  }
  return false;
}

void Xhci::reset(machine::ResetKind) {
  reset_config();
  std::lock_guard lock(mutex_);
  host_reset();
}

void Xhci::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  XhciState s = state_;
  s.config = config_state();
  writer.begin_section(name(), 1);
  writer(s);
  for (const auto& d : devices_) d->save(writer);
  writer.end_section();
}

Result<void> Xhci::load(snapshot::StateReader& reader) {
  XhciState s;
  TANDEM_TRY(reader.begin_section(name(), 1));
  reader(s);
  reader.check(s.valid(), "a field");
  std::vector<std::function<void()>> take;
  for (auto& d : devices_) take.push_back(d->load(reader));
  TANDEM_TRY(reader.end_section());
  load_config(s.config);
  std::lock_guard lock(mutex_);
  state_ = std::move(s);
  for (auto& f : take) f();
  load_interrupt((state_.management & kPending) && (state_.management & kEnabled) &&
                 (state_.command & kInterruptsOn));
  return {};
}

}  // namespace tandem::devices
