// 8254 programmable interval timer, and port 0x61 which gates and reads its channel 2, and lets it drive the
// speaker.
#pragma once

#include <mutex>
#include <vector>

#include "core/irq/line.h"
#include "core/machine/device.h"
#include "devices/platform/speaker_sink.h"
#include "devices/platform/tick_irq.h"

namespace tandem::devices {

struct PitChannelState {
  u32 count = 0x10000;      // the one loaded last, in ticks
  u32 next_count = 0;       // written, not loaded yet; 0 = none
  u64 reload_tick = 0;      // modes 2 and 3: when next_count will be loaded, in ticks since `loaded`
  i64 loaded = 0;           // GuestNs
  i64 frozen_ticks = -1;    // ticks counted when the gate went low, -1 = counting
  bool waiting = true;      // nothing loaded since the control word
  u8 mode = 3, access = 3;  // access: 1 low byte, 2 high byte, 3 low then high
  bool bcd = false, gate = true;
  bool high_write_next = false, high_read_next = false;
  u8 low_byte = 0;
  u16 latch = 0;
  u8 latched_bytes = 0;  // bytes of latch still to be read
  bool status_latched = false;
  u8 status = 0;
  static void fields(auto& a, auto& s) {
    a(s.count, s.next_count, s.reload_tick, s.loaded, s.frozen_ticks, s.waiting, s.mode, s.access, s.bcd,
      s.gate, s.high_write_next, s.high_read_next, s.low_byte, s.latch, s.latched_bytes, s.status_latched,
      s.status);
  }
  bool valid() const {
    return count >= 1 && count <= 0x10000 && next_count <= 0x10000 && reload_tick < u64{1} << 52 &&
           loaded > -time::kSecond && frozen_ticks >= -1 && mode <= 5 && access >= 1 && access <= 3 &&
           latched_bytes <= 2;
  }
};
struct PitState {
  PitChannelState channels[3];
  bool speaker = false;
  bool irq_enabled = true;
  static void fields(auto& a, auto& s) { a(s.channels, s.speaker, s.irq_enabled); }
  bool valid() const { return channels[0].valid() && channels[1].valid() && channels[2].valid(); }
};

class Pit final : public machine::Device {
 public:
  Pit(machine::DeviceContext context, irq::EdgeIrq irq);

  bus::IoHandler& ports() { return ports_; }         // 4 ports
  bus::IoHandler& system_port() { return system_; }  // 1 port: 0x61
  // False while the HPET has taken over its interrupt.
  void set_irq_enabled(bool on);
  // Who hears the speaker, from now on. [any-thread]
  void add_speaker(SpeakerSink& sink);
  void remove_speaker(SpeakerSink& sink);

  std::string_view name() const override { return "pit"; }
  void reset(machine::ResetKind kind) override;
  // What sounds, sounds up to here: speakers hear of it once more.
  Result<void> quiesce() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  using Channel = PitChannelState;
  void io(bus::IoAccess& access);
  void system_io(bus::IoAccess& access);
  u8 read_counter(Channel& channel);
  void write_counter(unsigned index, u8 value);
  void write_control(u8 value);
  void write_count(unsigned index, u32 value);
  static void load(Channel& channel, i64 now);
  static void reload(Channel& channel);
  void settle();
  u64 reload_tick(const Channel& channel) const;
  void set_gate(Channel& channel, bool gate);
  u64 elapsed(const Channel& channel) const;  // ticks since loaded
  bool out(const Channel& channel) const;
  u16 counter(const Channel& channel) const;
  void latch_count(Channel& channel);
  void latch_status(Channel& channel);
  void arm();          // for the next rising edge of channel 0
  void start_ticks();  // after channel 0 was set: those that it still owed count no more
  void fired(GuestNs deadline);
  std::vector<SpeakerChange> speaker_changes() const;  // pit_speaker.cpp
  void tell_speaker();

  time::Clock& clock_;
  irq::EdgeIrq irq_;
  mutable std::mutex mutex_;
  PitState state_;
  i64 next_edge_ = -1;
  std::vector<SpeakerSink*> speakers_;
  std::vector<SpeakerChange> told_;  // to them, last
  bus::IoMember<Pit> ports_, system_;
  TickIrq ticks_;
  time::Timer timer_;
};

}  // namespace tandem::devices
