// A device of the HID class with one interrupt endpoint for its reports (Device Class Definition for Human
// Interface Devices 1.11).
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "devices/usb/usb_device.h"

namespace tandem::devices {

// What makes one kind of it.
struct HidDescription {
  std::string_view product;
  u8 subclass = 0, protocol = 0;  // of the interface: boot devices have both
  std::span<const u8> report_descriptor;
  u8 report_bytes = 0;
};

using HidReport = std::array<u8, 8>;  // the first report_bytes of it

struct HidState {
  u8 configuration = 0, protocol = 1, idle = 0;
  bool remote_wakeup = false, listened_to = false, halted = false;
  std::vector<HidReport> waiting;  // the first one is the next
  static void fields(auto& a, auto& s) {
    a(s.configuration, s.protocol, s.idle, s.remote_wakeup, s.listened_to, s.halted, s.waiting);
  }
};

class HidDevice : public UsbDevice {
 public:
  static constexpr std::size_t kMaxWaiting = 32;

  UsbSpeed speed() const override { return UsbSpeed::Full; }
  void reset() override;
  UsbResult control(const UsbSetup& setup, std::span<u8> data) override;
  UsbResult in(u8 endpoint, std::span<u8> to) override;
  UsbResult out(u8, std::span<const u8>) override { return {UsbStatus::Stall, 0}; }
  void listened_to(u8 endpoint, bool on) override;
  bool wakes() const override { return state_.remote_wakeup && !state_.waiting.empty(); }
  // Whether a driver of the guest takes its reports.
  bool in_use() const { return state_.listened_to; }
  void save(snapshot::StateWriter& writer) const override;
  std::function<void()> load(snapshot::StateReader& reader) override;

 protected:
  explicit HidDevice(const HidDescription& description) : description_(description) {}
  virtual HidReport current() const = 0;
  virtual void output(std::span<const u8>) {}
  virtual void forget() = 0;  // what a reset of the bus makes of its own state
  std::vector<HidReport>& waiting() { return state_.waiting; }

 private:
  UsbResult standard(const UsbSetup& setup, std::span<u8> data);
  UsbResult of_class(const UsbSetup& setup, std::span<u8> data);
  UsbResult descriptor(const UsbSetup& setup, std::span<u8> data) const;
  UsbResult feature(const UsbSetup& setup, bool on);

  const HidDescription description_;
  HidState state_;
};

}  // namespace tandem::devices
