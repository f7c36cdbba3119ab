// MC146818 real-time clock with 128 bytes of CMOS memory.
#pragma once

#include <array>
#include <functional>
#include <mutex>

#include "core/irq/line.h"
#include "core/machine/device.h"

namespace tandem::devices {

// Seconds since 1970, UTC, at guest time 0.
using DateSource = std::function<i64()>;

struct RtcState {
  u8 index = 0;
  bool irq_enabled = true;
  std::array<u8, 128> cmos{};
  i64 base_seconds = 0;  // the date at base_ns
  i64 base_ns = 0;
  i64 last_periodic = 0;  // GuestNs of the last periodic boundary that was looked at
  static void fields(auto& a, auto& s) {
    a(s.index, s.irq_enabled, s.cmos, s.base_seconds, s.base_ns, s.last_periodic);
  }
  bool valid() const {
    return index < 128 && base_ns > -time::kSecond && base_seconds < (i64{1} << 40) &&
           base_seconds > -(i64{1} << 40);
  }
};

class Rtc final : public machine::Device, public bus::IoHandler {
 public:
  Rtc(machine::DeviceContext context, irq::LevelIrq irq, DateSource date);

  void io(bus::IoAccess& access) override;  // 2 ports
  // A byte of configuration, as firmware reads it: memory sizes, drive types. Stays through resets.
  void set_cmos(u8 index, u8 value);
  // False while the HPET has taken over its interrupt.
  void set_irq_enabled(bool on);

  std::string_view name() const override { return "rtc"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  u8 read();
  void write(u8 value);
  void write_control_a(u8 value);
  void write_control_b(u8 value);
  i64 date() const;  // seconds since 1970 now
  bool divider_held() const;
  void date_to_cmos();
  void date_from_cmos();
  u8 encode(unsigned value) const;
  unsigned decode(u8 value) const;
  bool alarm_matches() const;
  i64 period() const;  // ns, 0 = off
  void update_periodic();
  void update_irq();
  void arm();
  void second();
  void periodic();

  time::Clock& clock_;
  irq::LevelIrq irq_;
  mutable std::mutex mutex_;
  RtcState state_;
  i64 next_second_ = 0;
  time::Timer second_timer_, periodic_timer_;
};

}  // namespace tandem::devices
