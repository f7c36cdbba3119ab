// The PC's DMA controllers: two 8237A, the first cascaded into the second, and the page registers.
#pragma once

#include <array>
#include <mutex>
#include <span>

#include "core/machine/device.h"

namespace tandem::devices {

struct DmaChannel {
  u16 base_address = 0, base_count = 0;
  u16 address = 0, count = 0;  // current; in words for channels 5..7
  u8 mode = 0, page = 0;
  bool masked = true;
  static void fields(auto& a, auto& s) {
    a(s.base_address, s.base_count, s.address, s.count, s.mode, s.page, s.masked);
  }
};

struct IsaDmaState {
  std::array<DmaChannel, 8> channels{};
  std::array<u8, 2> command{}, terminal{};  // by controller; terminal: channels that reached their count
  std::array<bool, 2> high_byte{};          // the flip-flop
  std::array<u8, 16> pages{};               // as written, those without a channel too
  static void fields(auto& a, auto& s) { a(s.channels, s.command, s.terminal, s.high_byte, s.pages); }
};

class IsaDma final : public machine::Device {
 public:
  explicit IsaDma(machine::DeviceContext context);

  bus::IoHandler& low_ports() { return low_; }     // 16 ports, channels 0..3
  bus::IoHandler& high_ports() { return high_; }   // 32 ports, channels 4..7 at even ones
  bus::IoHandler& page_ports() { return pages_; }  // 15 ports, from that of 81h

  // What a device on the bus moves while its request is up. `moved` is less where the channel is masked, goes
  // the other way or has reached its count. [any-thread]
  struct Moved {
    u32 bytes = 0;
    bool terminal_count = false;
  };
  Moved to_memory(unsigned channel, std::span<const u8> from);
  Moved from_memory(unsigned channel, std::span<u8> to);

  std::string_view name() const override { return "isa-dma"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void low_io(bus::IoAccess& access) { controller_io(0, static_cast<unsigned>(access.offset), access); }
  void high_io(bus::IoAccess& access);
  void page_io(bus::IoAccess& access);
  void controller_io(unsigned n, unsigned reg, bus::IoAccess& access);
  u8 read_word_half(unsigned n, unsigned reg);
  void write_word_half(unsigned n, unsigned reg, u8 value);
  void write_control(unsigned n, unsigned reg, u8 value);
  void clear(unsigned n);
  template <class F>
  Moved transfer(unsigned channel, u8 direction, u64 size, F move);

  mem::GuestMemory& memory_;
  mutable std::mutex mutex_;
  IsaDmaState state_;
  bus::IoMember<IsaDma> low_, high_, pages_;
};

}  // namespace tandem::devices
