// Root hub ports (xHCI 1.2, 4.19 and 5.4.8).
#include "core/base/bits.h"
#include "devices/usb/xhci.h"

namespace tandem::devices {

using namespace xhci;

UsbDevice* Xhci::device(unsigned port) const {
  return port >= 1 && port <= devices_.size() ? devices_[port - 1].get() : nullptr;
}

void Xhci::power_up_ports() {
  for (unsigned n = 0; n < XhciState::kPortCount; ++n) {
    const bool connected = device(n + 1) != nullptr;
    state_.ports[n] = {};
    state_.ports[n].link = connected ? kPolling : kRxDetect;
    state_.ports[n].changes = connected ? kPortConnectChange : 0;
  }
}

u32 Xhci::read_port(unsigned n) const {
  const XhciPort& p = state_.ports[n];
  const UsbDevice* d = device(n + 1);
  const u32 connection = d ? kPortConnected | static_cast<u32>(d->speed()) << kPortSpeedShift : 0;
  return kPortPower | connection | (p.enabled ? kPortEnabled : 0) | u32{p.link} << kPortLinkShift |
         p.changes | p.wakes;
}

// 4.19.2: an event for each change bit that comes.
void Xhci::change_port(unsigned n, u32 changes) {
  XhciPort& p = state_.ports[n];
  if ((p.changes & changes) == changes) return;
  p.changes |= changes;
  state_.status |= kPortChange;
  if (running()) add_event({u64{n + 1} << 24, u32{kSuccess} << 24, kPortEvent << 10});
}

void Xhci::reset_port(unsigned n) {
  UsbDevice* d = device(n + 1);
  if (!d) return;
  d->reset();
  state_.ports[n].enabled = true;
  state_.ports[n].link = kU0;
  change_port(n, kPortResetChange);
}

void Xhci::write_port(unsigned n, u32 value) {
  XhciPort& p = state_.ports[n];
  p.changes &= ~(value & kPortChanges);
  p.wakes = value & kPortWakes;
  if (value & kPortReset) return reset_port(n);
  if (value & kPortEnabled) {
    p.enabled = false;
    p.link = device(n + 1) ? kPolling : kRxDetect;
  }
  if (!(value & kPortLinkStrobe) || !p.enabled) return;
  const u8 link = static_cast<u8>(bits(value, 8, 5));
  if (link == kU3 && p.link == kU0) p.link = kU3;
  if (link == kResume && p.link == kU3) p.link = kResume;
  if (link == kU0 && p.link != kU0) {
    p.link = kU0;
    change_port(n, kPortLinkChange);
    ask_devices();
  }
}

// Those that wait to be asked, and those that sleep with the right to wake the host.
void Xhci::ask_devices() {
  for (unsigned n = 0; n < XhciState::kPortCount; ++n) {
    const UsbDevice* d = device(n + 1);
    if (!d || state_.ports[n].link != kU3 || !d->wakes()) continue;
    state_.ports[n].link = kResume;
    change_port(n, kPortLinkChange);
  }
  if (!running() || !bus_master()) return;
  for (unsigned slot = 1; slot <= XhciState::kSlots; ++slot)
    for (unsigned e = 1; e < XhciSlot::kEndpoints; ++e)
      if (state_.slots[slot - 1].endpoints[e].waits) run_endpoint(static_cast<u8>(slot), static_cast<u8>(e));
}

}  // namespace tandem::devices
