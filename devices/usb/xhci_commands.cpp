// The command ring (xHCI 1.2, 4.6).
#include "core/base/bits.h"
#include "devices/usb/xhci.h"

namespace tandem::devices {

using namespace xhci;

namespace {

// A ring may be endless; a doorbell has so many carried out.
constexpr unsigned kMaxCommands = 256;
// 6.2.5.1 Input control context: what to drop, what to add.
constexpr u64 kDropFlags = 0, kAddFlags = 4;
constexpr u32 kSlotAndControl = 3;
// 6.2.2 Slot context
constexpr u64 kSlotInfo = 0, kSlotInfo2 = 4, kSlotInfo3 = 8, kSlotStateAt = 12;
// 6.2.3 Endpoint context
constexpr u64 kEpInfo2 = 4, kEpDequeue = 8;

u8 trb_slot(const XhciTrb& t) { return static_cast<u8>(t.control >> 24); }
u8 trb_endpoint(const XhciTrb& t) { return static_cast<u8>(t.control >> 16 & 31); }

}  // namespace

XhciSlot* Xhci::enabled_slot(u8 slot) {
  if (slot < 1 || slot > XhciState::kSlots || !state_.slots[slot - 1].enabled) return nullptr;
  return &state_.slots[slot - 1];
}

u64 Xhci::output_context(u8 slot) const {
  return memory_.read_value<u64>(Gpa{state_.contexts + 8 * u64{slot}}) & kRingAddress;
}

void Xhci::run_commands() {
  state_.command_running = true;
  Trb trb;
  for (unsigned n = 0; n < kMaxCommands && running() && next_trb(state_.command_ring, trb); ++n)
    run_command(trb);
}

void Xhci::run_command(const Trb& trb) {
  u8 slot = trb_slot(trb);
  const u8 endpoint = trb_endpoint(trb);
  u8 completion = kTrbError;
  switch (trb.type()) {
    case kEnableSlot: completion = enable_slot(slot); break;
    case kDisableSlot: completion = disable_slot(slot); break;
    case kAddressDevice: completion = address_device(slot, trb); break;
    case kConfigureEndpoint: completion = configure(slot, trb); break;
    case kEvaluateContext: completion = evaluate(slot, trb); break;
    case kResetEndpoint: completion = reset_endpoint(slot, endpoint); break;
    case kStopEndpoint: completion = stop_endpoint(slot, endpoint); break;
    case kSetDequeue: completion = set_dequeue(slot, endpoint, trb); break;
    case kResetDevice: completion = reset_device(slot); break;
    case kNoOpCommand: completion = kSuccess; break;
    default: break;
  }
  command_event(trb, completion, slot);
}

u8 Xhci::enable_slot(u8& slot) {
  const u32 allowed = std::min<u32>(state_.configure & 0xff, XhciState::kSlots);
  for (slot = 1; slot <= allowed; ++slot) {
    XhciSlot& s = state_.slots[slot - 1];
    if (s.enabled) continue;
    s = {};
    s.enabled = true;
    return kSuccess;
  }
  slot = 0;
  return kNoSlots;
}

// The slot's state and address in its context (6.2.2, the last dword).
void Xhci::set_slot_state(u8 slot, u8 state, u32 address) {
  state_.slots[slot - 1].state = state;
  memory_.write_value(Gpa{output_context(slot) + kSlotStateAt}, address | u32{state} << 27);
}

u8 Xhci::disable_slot(u8 slot) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  for (unsigned e = 1; e < XhciSlot::kEndpoints; ++e) close_endpoint(slot, static_cast<u8>(e));
  set_slot_state(slot, kSlotDisabled, 0);
  *s = {};
  return kSuccess;
}

// From the context, which has been copied to the device's.
void Xhci::open_endpoint(u8 slot, u8 endpoint, u64 context) {
  XhciEndpoint& e = state_.slots[slot - 1].endpoints[endpoint];
  const u64 dequeue = memory_.read_value<u64>(Gpa{context + kEpDequeue});
  e.type = static_cast<u8>(bits(memory_.read_value<u32>(Gpa{context + kEpInfo2}), 5, 3));
  e.ring = {dequeue & ~u64{15}, (dequeue & 1) != 0};
  set_endpoint_state(slot, endpoint, kEpRunning);
}

void Xhci::close_endpoint(u8 slot, u8 endpoint) {
  XhciEndpoint& e = state_.slots[slot - 1].endpoints[endpoint];
  if (e.state == kEpDisabled) return;
  listen(slot, endpoint, false);
  set_endpoint_state(slot, endpoint, kEpDisabled);
  e = {};
}

u8 Xhci::address_device(u8 slot, const Trb& trb) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  const u64 input = trb.parameter & ~u64{15}, output = output_context(slot);
  const bool block = trb.control & kTrbBlock;
  std::array<u8, 3 * kContextSize> contexts;
  if (!memory_.read(Gpa{input}, contexts)) return kTrbError;
  if ((load_le<u32>(&contexts[kAddFlags]) & kSlotAndControl) != kSlotAndControl) return kParameterError;
  if (s->state != kSlotDisabled && (block || s->state != kSlotDefault)) return kContextError;
  const u8 port = static_cast<u8>(bits(load_le<u32>(&contexts[kContextSize + kSlotInfo2]), 23, 16));
  if (!device(port)) return kParameterError;
  s->port = port;
  memory_.write(Gpa{output}, std::span(contexts).subspan(kContextSize));
  set_slot_state(slot, block ? kSlotDefault : kSlotAddressed, block ? 0 : slot);
  open_endpoint(slot, 1, output + kContextSize);
  return kSuccess;
}

u8 Xhci::configure(u8 slot, const Trb& trb) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  if (s->state != kSlotAddressed && s->state != kSlotConfigured) return kContextError;
  const u64 input = trb.parameter & ~u64{15}, output = output_context(slot);
  const bool all = trb.control & kTrbDeconfigure;
  const u32 drop = all ? ~u32{3} : memory_.read_value<u32>(Gpa{input + kDropFlags});
  const u32 add = all ? 0 : memory_.read_value<u32>(Gpa{input + kAddFlags});
  for (unsigned i = 2; i < XhciSlot::kEndpoints; ++i) {
    const u8 e = static_cast<u8>(i);
    if (bit(drop, i)) close_endpoint(slot, e);
    if (!bit(add, i)) continue;
    close_endpoint(slot, e);
    std::array<u8, kContextSize> context;
    memory_.read(Gpa{input + (i + 1) * kContextSize}, context);
    memory_.write(Gpa{output + i * kContextSize}, context);
    open_endpoint(slot, e, output + i * kContextSize);
  }
  if (!all) {
    constexpr u32 kEntries = 0xf8000000;
    const u32 info = memory_.read_value<u32>(Gpa{output + kSlotInfo});
    const u32 wanted = memory_.read_value<u32>(Gpa{input + kContextSize + kSlotInfo});
    memory_.write_value(Gpa{output + kSlotInfo}, (info & ~kEntries) | (wanted & kEntries));
  }
  set_slot_state(slot, all ? kSlotAddressed : kSlotConfigured, slot);
  return kSuccess;
}

// 6.2.2.3, 6.2.3.3: latency and interrupter of the slot, packet size of the control endpoint.
u8 Xhci::evaluate(u8 slot, const Trb& trb) {
  constexpr u32 kLatency = 0xffff, kTarget = 0xffc00000, kPacketSize = 0xffff0000;
  if (!enabled_slot(slot)) return kSlotNotEnabled;
  const u64 input = trb.parameter & ~u64{15}, output = output_context(slot);
  const u32 add = memory_.read_value<u32>(Gpa{input + kAddFlags});
  const auto copy = [&](u64 from, u64 to, u32 mask) {
    const u32 old = memory_.read_value<u32>(Gpa{output + to});
    memory_.write_value(Gpa{output + to},
                        (old & ~mask) | (memory_.read_value<u32>(Gpa{input + from}) & mask));
  };
  if (add & 1) {
    copy(kContextSize + kSlotInfo2, kSlotInfo2, kLatency);
    copy(kContextSize + kSlotInfo3, kSlotInfo3, kTarget);
  }
  if (add & 2) copy(2 * kContextSize + kEpInfo2, kContextSize + kEpInfo2, kPacketSize);
  return kSuccess;
}

u8 Xhci::reset_endpoint(u8 slot, u8 endpoint) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  if (s->endpoints[endpoint].state != kEpHalted) return kContextError;
  set_endpoint_state(slot, endpoint, kEpStopped);
  return kSuccess;
}

// 4.6.9: a transfer that waits is told of first.
u8 Xhci::stop_endpoint(u8 slot, u8 endpoint) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  XhciEndpoint& e = s->endpoints[endpoint];
  if (e.state == kEpDisabled) return kEndpointNotEnabled;
  if (e.state != kEpRunning) return kContextError;
  XhciRing ring = e.ring;
  Trb trb;
  if (e.waits && next_trb(ring, trb)) transfer_event(trb, kStopped, trb.length(), slot, endpoint);
  listen(slot, endpoint, false);
  set_endpoint_state(slot, endpoint, kEpStopped);
  return kSuccess;
}

u8 Xhci::set_dequeue(u8 slot, u8 endpoint, const Trb& trb) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  XhciEndpoint& e = s->endpoints[endpoint];
  if (e.state != kEpStopped && e.state != kEpError) return kContextError;
  e.ring = {trb.parameter & ~u64{15}, (trb.parameter & 1) != 0};
  set_endpoint_state(slot, endpoint, kEpStopped);
  return kSuccess;
}

u8 Xhci::reset_device(u8 slot) {
  XhciSlot* s = enabled_slot(slot);
  if (!s) return kSlotNotEnabled;
  if (s->state != kSlotAddressed && s->state != kSlotConfigured) return kContextError;
  for (unsigned e = 2; e < XhciSlot::kEndpoints; ++e) close_endpoint(slot, static_cast<u8>(e));
  set_slot_state(slot, kSlotDefault, 0);
  return kSuccess;
}

}  // namespace tandem::devices
