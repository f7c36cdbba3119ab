#include "devices/usb/usb_tablet.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

constexpr unsigned kButtons = 0, kX = 1, kY = 3, kWheel = 5;

constexpr u8 kReportDescriptor[] = {0x05, 0x01,  // usage page: generic desktop
                                    0x09, 0x02,  // usage: mouse
                                    0xa1, 0x01,  // collection: application
                                    0x09, 0x01,  //   usage: pointer
                                    0xa1, 0x00,  //   collection: physical
                                    0x05, 0x09, 0x19, 0x01, 0x29, 0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03,
                                    0x75, 0x01, 0x81, 0x02,              // buttons
                                    0x95, 0x01, 0x75, 0x05, 0x81, 0x01,  // five bits
                                    // x and y: 0 to 7fffh, absolute
                                    0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x00, 0x26, 0xff, 0x7f, 0x35,
                                    0x00, 0x46, 0xff, 0x7f, 0x75, 0x10, 0x95, 0x02, 0x81, 0x02,
                                    // the wheel: -127 to 127, relative
                                    0x05, 0x01, 0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x35, 0x00, 0x45, 0x00,
                                    0x75, 0x08, 0x95, 0x01, 0x81, 0x06, 0xc0, 0xc0};
static_assert(InputSink::kPointerRange == 0x7fff);

}  // namespace

UsbTablet::UsbTablet() : HidDevice({"USB Tablet", 0, 0, kReportDescriptor, 6}) {}

HidReport UsbTablet::report(i32 wheel) const {
  HidReport r{};
  r[kButtons] = tablet_.buttons;
  store_le(&r[kX], tablet_.x);
  store_le(&r[kY], tablet_.y);
  r[kWheel] = static_cast<u8>(std::clamp(wheel, -127, 127));
  return r;
}

// A place that nobody has asked for yet gives way to a newer one; so does the last report where there is no
// room.
void UsbTablet::tell(const HidReport& report, bool moves) {
  std::vector<HidReport>& all = waiting();
  const bool replaces = !all.empty() && ((moves && tablet_.moved) || all.size() >= kMaxWaiting);
  if (replaces) all.back() = report;
  else all.push_back(report);
  tablet_.moved = moves;
}

void UsbTablet::point(u32 x, u32 y) {
  tablet_.x = static_cast<u16>(std::min(x, InputSink::kPointerRange));
  tablet_.y = static_cast<u16>(std::min(y, InputSink::kPointerRange));
  tell(report(0), true);
}

void UsbTablet::button(PointerButton button, bool pressed) {
  tablet_.buttons = static_cast<u8>(set_bit(tablet_.buttons, static_cast<unsigned>(button), pressed));
  tell(report(0), false);
}

void UsbTablet::wheel(i32 notches) { tell(report(notches), false); }

void UsbTablet::save(snapshot::StateWriter& writer) const {
  HidDevice::save(writer);
  writer(tablet_);
}

std::function<void()> UsbTablet::load(snapshot::StateReader& reader) {
  auto base = HidDevice::load(reader);
  TabletState tablet;
  reader(tablet);
  return [this, base, tablet] {
    base();
    tablet_ = tablet;
  };
}

}  // namespace tandem::devices
