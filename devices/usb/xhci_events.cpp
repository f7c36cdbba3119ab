// The event ring and its interrupt (xHCI 1.2, 4.9.4 and 4.17).
#include "core/base/bits.h"
#include "devices/usb/xhci.h"

namespace tandem::devices {

using namespace xhci;

namespace {
constexpr std::size_t kMaxDelayed = 256;
}

// 6.5: the table has one entry here (HCSPARAMS2 says so).
void Xhci::load_event_table() {
  std::array<u8, 16> entry;
  XhciState& s = state_;
  s.event_index = s.events_size = 0;
  s.event_cycle = true;
  if (s.table_size == 0 || !memory_.read(Gpa{s.table}, entry)) return;
  s.events = load_le<u64>(&entry[0]) & kRingAddress;
  s.events_size = load_le<u16>(&entry[8]);
}

bool Xhci::events_left() const {
  return state_.events_size && state_.dequeue != state_.events + state_.event_index * kTrbSize;
}

// False: there is no room.
bool Xhci::put_event(const XhciEvent& event) {
  XhciState& s = state_;
  if (s.events_size == 0) return false;
  const u32 next = (s.event_index + 1) % s.events_size;
  if (s.dequeue == s.events + next * kTrbSize) return false;
  std::array<u8, kTrbSize> bytes;
  store_le(&bytes[0], event.parameter);
  store_le(&bytes[8], event.status);
  store_le(&bytes[12], event.control | (s.event_cycle ? kTrbCycle : 0));
  if (!memory_.write(Gpa{s.events + s.event_index * kTrbSize}, bytes)) fail();
  s.event_index = next;
  if (next == 0) s.event_cycle = !s.event_cycle;
  return true;
}

void Xhci::add_event(const XhciEvent& event) {
  if (!state_.delayed.empty() || !put_event(event)) {
    if (state_.delayed.size() < kMaxDelayed) state_.delayed.push_back(event);
    return;
  }
  if (!state_.handler_busy) raise();
}

void Xhci::put_delayed_events() {
  std::size_t put = 0;
  while (put < state_.delayed.size() && put_event(state_.delayed[put])) ++put;
  state_.delayed.erase(state_.delayed.begin(), state_.delayed.begin() + static_cast<i64>(put));
}

// 4.17.2, 4.17.5: nothing more until the handler has written the dequeue pointer.
void Xhci::raise() {
  state_.handler_busy = true;
  state_.management |= kPending;
  state_.status |= kEventInterrupt;
  update_interrupt();
}

void Xhci::update_interrupt() {
  const bool level = state_.management == (kPending | kEnabled) && (state_.command & kInterruptsOn) != 0;
  set_interrupt(level);
  if (!level || !uses_messages()) return;
  state_.management &= ~kPending;  // the message has taken it along
  set_interrupt(false);
}

void Xhci::command_event(const Trb& trb, u8 completion, u8 slot) {
  add_event({trb.at, u32{completion} << 24, u32{slot} << 24 | kCommandEvent << 10});
}

void Xhci::transfer_event(const Trb& trb, u8 completion, u32 residue, u8 slot, u8 endpoint) {
  constexpr u32 kEventDataFlag = 1 << 2;
  const bool data = trb.type() == kEventData;
  add_event({data ? trb.parameter : trb.at, u32{completion} << 24 | (residue & 0xffffff),
             u32{slot} << 24 | u32{endpoint} << 16 | kTransferEvent << 10 | (data ? kEventDataFlag : 0)});
}

}  // namespace tandem::devices
