// Transfers (xHCI 1.2, 4.10 and 4.11). A TD is carried out whole, or waits.
#include <algorithm>

#include "core/base/bits.h"
#include "devices/usb/xhci.h"

namespace tandem::devices {

using namespace xhci;

namespace {

constexpr unsigned kMaxTds = 256;      // for each doorbell: a ring may be endless
constexpr std::size_t kMaxTrbs = 256;  // of a TD
constexpr u32 kMaxBytes = 64 * KiB;    // of a TD: more than any device here has
constexpr u64 kEpInfo = 0, kEpDequeue = 8;
constexpr u32 kEpStateMask = 7;

bool has_data(const XhciTrb& t) { return t.type() == kNormal || t.type() == kData; }
bool is_in(u8 endpoint) { return endpoint & 1; }

u32 total_length(const std::vector<XhciTrb>& td) {
  u64 n = 0;
  for (const XhciTrb& t : td)
    if (has_data(t)) n += t.length();
  return static_cast<u32>(std::min<u64>(n, kMaxBytes));
}

UsbSetup setup_of(const XhciTrb& t) {
  std::array<u8, 8> b;
  store_le(b.data(), t.parameter);
  return {b[0], b[1], load_le<u16>(&b[2]), load_le<u16>(&b[4]), load_le<u16>(&b[6])};
}

}  // namespace

// 4.5.3: software finds state and position in the endpoint's context.
void Xhci::set_endpoint_state(u8 slot, u8 endpoint, u8 state) {
  XhciEndpoint& e = state_.slots[slot - 1].endpoints[endpoint];
  e.state = state;
  if (state != kEpRunning) e.waits = false;
  const u64 at = output_context(slot) + endpoint * kContextSize;
  const u32 info = memory_.read_value<u32>(Gpa{at + kEpInfo});
  memory_.write_value(Gpa{at + kEpInfo}, (info & ~kEpStateMask) | state);
  memory_.write_value(Gpa{at + kEpDequeue}, e.ring.at | (e.ring.cycle ? 1 : 0));
}

void Xhci::listen(u8 slot, u8 endpoint, bool on) {
  UsbDevice* d = device(state_.slots[slot - 1].port);
  if (d && is_in(endpoint) && endpoint > 1) d->listened_to(endpoint / 2, on);
}

// 4.11.2.2: a control TD ends with its status stage, others with the last TRB of a chain. False: it is not
// whole yet.
bool Xhci::take_td(XhciRing& ring, bool control, std::vector<Trb>& td) const {
  td.clear();
  bool status_seen = !control;
  while (td.size() < kMaxTrbs) {
    Trb trb;
    if (!next_trb(ring, trb)) return false;
    td.push_back(trb);
    status_seen |= trb.type() == kStatusStage;
    if (status_seen && !(trb.control & kTrbChain)) return true;
  }
  return false;
}

void Xhci::run_endpoint(u8 slot, u8 endpoint) {
  XhciEndpoint& e = state_.slots[slot - 1].endpoints[endpoint];
  std::vector<Trb> td;
  for (unsigned n = 0; n < kMaxTds && e.state == kEpRunning && running(); ++n) {
    XhciRing ring = e.ring;
    e.waits = false;
    if (!take_td(ring, e.type == kControl, td)) return;
    if (!carry_out(slot, endpoint, td)) return;
    if (e.state == kEpRunning) e.ring = ring;
  }
}

// The bytes of the TD's buffers.
u32 Xhci::gather(const std::vector<Trb>& td, std::vector<u8>& data, bool fill) {
  const u32 size = total_length(td);
  data.assign(size, 0);
  if (!fill) return size;
  u32 done = 0;
  for (const Trb& t : td) {
    if (!has_data(t)) continue;
    const u32 n = std::min(t.length(), size - done);
    const std::span<u8> piece = std::span(data).subspan(done, n);
    if (t.control & kTrbImmediate) {
      for (u32 i = 0; i < std::min(n, 8u); ++i) piece[i] = static_cast<u8>(t.parameter >> 8 * i);
    } else {
      memory_.read(Gpa{t.parameter}, piece);
    }
    done += n;
  }
  return size;
}

void Xhci::scatter(const std::vector<Trb>& td, std::span<const u8> data) {
  for (const Trb& t : td) {
    if (!has_data(t)) continue;
    const std::size_t n = std::min<std::size_t>(t.length(), data.size());
    memory_.write(Gpa{t.parameter}, data.first(n));
    data = data.subspan(n);
  }
}

// False: the device has nothing to say, and will be asked again.
bool Xhci::carry_out(u8 slot, u8 endpoint, const std::vector<Trb>& td) {
  XhciEndpoint& e = state_.slots[slot - 1].endpoints[endpoint];
  UsbDevice* d = device(state_.slots[slot - 1].port);
  std::vector<u8> data;
  UsbResult result{UsbStatus::Stall, 0};
  bool to_host = is_in(endpoint);
  if (e.type == kControl) {
    if (td[0].type() == kSetup) {
      const UsbSetup setup = setup_of(td[0]);
      to_host = setup.to_host();
      gather(td, data, !to_host);
      data.resize(setup.length);
      if (d) result = d->control(setup, data);
    }
  } else if (td[0].type() == kNoOp) {
    result = {UsbStatus::Ok, 0};
  } else {
    const u32 size = gather(td, data, !to_host);
    if (d) result = to_host ? d->in(endpoint / 2, std::span(data).first(size)) : d->out(endpoint / 2, data);
  }
  if (result.status == UsbStatus::Nak) {
    e.waits = true;
    listen(slot, endpoint, true);
    return false;
  }
  if (to_host) scatter(td, std::span(data).first(result.bytes));
  finish_td(slot, endpoint, td, result.status == UsbStatus::Ok ? kSuccess : kStallError, result.bytes);
  return true;
}

// 4.10.1: events for what asks for one; a short packet is told where it happened, a failure wherever.
void Xhci::finish_td(u8 slot, u8 endpoint, const std::vector<Trb>& td, u8 completion, u32 moved) {
  if (completion != kSuccess) {
    const auto place =
        std::ranges::find_if(td, [](const Trb& t) { return has_data(t) || t.type() == kStatusStage; });
    const Trb& t = place == td.end() ? td.front() : *place;
    set_endpoint_state(slot, endpoint, kEpHalted);
    return transfer_event(t, completion, has_data(t) ? t.length() : 0, slot, endpoint);
  }
  u32 left = moved, since_event = 0;
  bool told = false;
  u8 last = kSuccess;
  for (const Trb& t : td) {
    if (t.type() == kEventData) {
      if (t.control & kTrbInterrupt) transfer_event(t, last, since_event, slot, endpoint);
      since_event = 0;
      continue;
    }
    const u32 length = has_data(t) ? t.length() : 0, n = std::min(length, left);
    left -= n;
    since_event += n;
    const bool is_short = n < length;
    if (!has_data(t)) told = false;
    last = is_short ? kShortPacket : kSuccess;
    const bool wanted = (t.control & kTrbInterrupt) || (is_short && (t.control & kTrbShort));
    if (wanted && !told) transfer_event(t, last, length - n, slot, endpoint);
    told |= wanted && has_data(t);
  }
}

}  // namespace tandem::devices
