#include "devices/usb/hid_device.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// USB 2.0, 9.4 and 9.5
enum Request : u8 {
  kGetStatus = 0,
  kClearFeature = 1,
  kSetFeature = 3,
  kSetAddress = 5,
  kGetDescriptor = 6,
  kGetConfiguration = 8,
  kSetConfiguration = 9,
  kGetInterface = 10,
  kSetInterface = 11,
};
enum DescriptorType : u8 {
  kDevice = 1,
  kConfiguration = 2,
  kString = 3,
  kInterface = 4,
  kEndpoint = 5,
  kHid = 0x21,
  kReport = 0x22
};
constexpr u8 kKindMask = 0x60, kStandard = 0x00, kClass = 0x20, kRecipientMask = 0x1f, kToEndpoint = 2;
constexpr u16 kEndpointHalt = 0, kRemoteWakeup = 1;
// HID 1.11, 7.2
enum HidRequest : u8 {
  kGetReport = 1,
  kGetIdle = 2,
  kGetProtocol = 3,
  kSetReport = 9,
  kSetIdle = 10,
  kSetProtocol = 11,
};
constexpr u16 kVendor = 0x0627, kProduct = 0x0001, kEnglish = 0x0409;
constexpr u8 kInEndpoint = 1, kInterval = 8;  // ms
constexpr u8 kMaxPacket0 = 8;

constexpr UsbResult kStalled{UsbStatus::Stall, 0};

void append16(std::vector<u8>& to, u16 v) {
  to.push_back(static_cast<u8>(v));
  to.push_back(static_cast<u8>(v >> 8));
}

std::vector<u8> device_descriptor() {
  std::vector<u8> d = {18, kDevice, 0x00, 0x02, 0, 0, 0, kMaxPacket0};
  append16(d, kVendor);
  append16(d, kProduct);
  d.insert(d.end(), {0x00, 0x01, 1, 2, 0, 1});  // strings: who made it, what it is
  return d;
}

std::vector<u8> hid_descriptor(const HidDescription& what) {
  std::vector<u8> d = {9, kHid, 0x11, 0x01, 0, 1, kReport};
  append16(d, static_cast<u16>(what.report_descriptor.size()));
  return d;
}

// The configuration with all that is in it.
std::vector<u8> configuration(const HidDescription& what) {
  constexpr u8 kRemoteWakeupAttribute = 0xa0, kHalfOf100mA = 50, kInterrupt = 3;
  const std::vector<u8> interface = {9, kInterface, 0, 0, 1, 3, what.subclass, what.protocol, 0};
  const std::vector<u8> hid = hid_descriptor(what);
  const std::vector<u8> endpoint = {7, kEndpoint, 0x80 | kInEndpoint, kInterrupt, what.report_bytes,
                                    0, kInterval};
  std::vector<u8> d = {9, kConfiguration};
  append16(d, static_cast<u16>(9 + interface.size() + hid.size() + endpoint.size()));
  d.insert(d.end(), {1, 1, 0, kRemoteWakeupAttribute, kHalfOf100mA});
  for (const auto* part : {&interface, &hid, &endpoint}) d.insert(d.end(), part->begin(), part->end());
  return d;
}

std::vector<u8> string_descriptor(std::string_view text) {
  std::vector<u8> d = {static_cast<u8>(2 + 2 * text.size()), kString};
  for (const char c : text) append16(d, static_cast<u8>(c));
  return d;
}

UsbResult reply(std::span<u8> data, std::span<const u8> bytes) {
  const std::size_t n = std::min(data.size(), bytes.size());
  std::copy_n(bytes.begin(), n, data.begin());
  return {UsbStatus::Ok, static_cast<u32>(n)};
}

UsbResult reply(std::span<u8> data, std::initializer_list<u8> bytes) {
  return reply(data, std::span(bytes.begin(), bytes.size()));
}

}  // namespace

void HidDevice::reset() {
  state_ = {};
  forget();
}

void HidDevice::listened_to(u8 endpoint, bool on) {
  if (endpoint == kInEndpoint) state_.listened_to = on;
}

UsbResult HidDevice::in(u8 endpoint, std::span<u8> to) {
  if (endpoint != kInEndpoint || !state_.configuration || state_.halted) return kStalled;
  if (state_.waiting.empty()) return {UsbStatus::Nak, 0};
  const HidReport report = state_.waiting.front();
  state_.waiting.erase(state_.waiting.begin());
  return reply(to, std::span(report).first(description_.report_bytes));
}

UsbResult HidDevice::control(const UsbSetup& setup, std::span<u8> data) {
  switch (setup.type & kKindMask) {
    case kStandard: return standard(setup, data);
    case kClass: return of_class(setup, data);
    default: return kStalled;
  }
}

UsbResult HidDevice::descriptor(const UsbSetup& setup, std::span<u8> data) const {
  switch (setup.value >> 8) {
    case kDevice: return reply(data, device_descriptor());
    case kConfiguration:
      return (setup.value & 0xff) == 0 ? reply(data, configuration(description_)) : kStalled;
    case kString:
      switch (setup.value & 0xff) {
        case 0: return reply(data, {4, kString, kEnglish & 0xff, kEnglish >> 8});
        case 1: return reply(data, string_descriptor("Tandem"));
        case 2: return reply(data, string_descriptor(description_.product));
        default: return kStalled;
      }
    case kHid: return reply(data, hid_descriptor(description_));
    case kReport: return reply(data, description_.report_descriptor);
    default: return kStalled;  // it has no other speed
  }
}

UsbResult HidDevice::feature(const UsbSetup& setup, bool on) {
  if ((setup.type & kRecipientMask) == kToEndpoint && setup.value == kEndpointHalt) state_.halted = on;
  else if ((setup.type & kRecipientMask) == 0 && setup.value == kRemoteWakeup) state_.remote_wakeup = on;
  else return kStalled;
  return {};
}

UsbResult HidDevice::standard(const UsbSetup& setup, std::span<u8> data) {
  switch (setup.request) {
    case kGetStatus: {
      const bool endpoint = (setup.type & kRecipientMask) == kToEndpoint;
      const u8 status = endpoint ? state_.halted : static_cast<u8>(state_.remote_wakeup ? 2 : 0);
      return reply(data, {status, 0});
    }
    case kClearFeature: return feature(setup, false);
    case kSetFeature: return feature(setup, true);
    case kSetAddress: return {};
    case kGetDescriptor: return descriptor(setup, data);
    case kGetConfiguration: return reply(data, {state_.configuration});
    case kSetConfiguration:
      if (setup.value > 1) return kStalled;
      state_.configuration = static_cast<u8>(setup.value);
      state_.halted = false;
      return {};
    case kGetInterface: return reply(data, {0});
    case kSetInterface: return setup.value == 0 ? UsbResult{} : kStalled;
    default: return kStalled;
  }
}

UsbResult HidDevice::of_class(const UsbSetup& setup, std::span<u8> data) {
  switch (setup.request) {
    case kGetReport: {
      const HidReport report = current();
      return reply(data, std::span(report).first(description_.report_bytes));
    }
    case kGetIdle: return reply(data, {state_.idle});
    case kGetProtocol: return reply(data, {state_.protocol});
    case kSetReport: output(data); return {UsbStatus::Ok, static_cast<u32>(data.size())};
    // Reports come when something changes, whatever the rate.
    case kSetIdle: state_.idle = static_cast<u8>(setup.value >> 8); return {};
    case kSetProtocol: state_.protocol = setup.value & 1; return {};
    default: return kStalled;
  }
}

void HidDevice::save(snapshot::StateWriter& writer) const { writer(state_); }

std::function<void()> HidDevice::load(snapshot::StateReader& reader) {
  HidState s;
  reader(s);
  reader.check(s.waiting.size() <= kMaxWaiting && s.configuration <= 1, "a USB device's state");
  return [this, s] { state_ = s; };
}

}  // namespace tandem::devices
