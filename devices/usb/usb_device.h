// UsbDevice: what hangs on a port of a USB host controller (Universal Serial Bus Specification 2.0, chapter
// 9). Plain state machines, guarded by the controller's lock.
#pragma once

#include <functional>
#include <span>

#include "core/snapshot/archive.h"

namespace tandem::devices {

// 9.3: the eight bytes of a control transfer.
struct UsbSetup {
  u8 type = 0, request = 0;
  u16 value = 0, index = 0, length = 0;
  bool to_host() const { return type & 0x80; }
};

enum class UsbSpeed : u8 { Full = 1, Low = 2, High = 3 };  // as xHCI numbers them
enum class UsbStatus : u8 { Ok, Nak, Stall };
struct UsbResult {
  UsbStatus status = UsbStatus::Ok;
  u32 bytes = 0;  // that were moved
};

class UsbDevice {
 public:
  virtual ~UsbDevice() = default;
  virtual UsbSpeed speed() const = 0;
  // A reset of the bus: not configured, nothing is listened to.
  virtual void reset() = 0;
  // `data` has setup.length bytes: the host's, or to be filled.
  virtual UsbResult control(const UsbSetup& setup, std::span<u8> data) = 0;
  // Endpoints by their number, without the direction.
  virtual UsbResult in(u8 endpoint, std::span<u8> to) = 0;
  virtual UsbResult out(u8 endpoint, std::span<const u8> from) = 0;
  // The host has begun to ask an IN endpoint again and again, or has given it up.
  virtual void listened_to(u8 endpoint, bool on) = 0;
  // In suspend, with something to say, and allowed to wake the host.
  virtual bool wakes() const = 0;

  virtual void save(snapshot::StateWriter& writer) const = 0;
  // Inside a section; what is wrong is said to the reader. The state is taken by the function that this
  // gives.
  virtual std::function<void()> load(snapshot::StateReader& reader) = 0;
};

}  // namespace tandem::devices
