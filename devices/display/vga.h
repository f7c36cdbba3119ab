// Vga: the display adapter: a PCI function 1234:1111 with its memory as BAR 0 and its registers as BAR 2, and
// the VGA's ports and window below 1 MiB.
#pragma once

#include <mutex>

#include "devices/display/display.h"
#include "devices/display/vga_state.h"

namespace tandem::devices {

class Vga final : public PciDevice, public Display {
 public:
  // memory: of `size` bytes, a power of two, at `offset` of the memfd.
  struct Memory {
    u64 offset, size;
  };
  struct Rom {
    u64 offset, size;  // size 0: none
  };
  Vga(machine::DeviceContext context, Memory memory, Rom rom);

  bus::IoHandler& color_ports() { return color_; }    // 32 ports: 3C0h..3DFh
  bus::IoHandler& mono_ports() { return mono_; }      // 12 ports: 3B0h..3BBh
  bus::IoHandler& vbe_ports() { return vbe_ports_; }  // 3 ports: 1CEh..1D0h
  bus::IoHandler& window() { return window_; }        // 128 KiB: A0000h..BFFFFh

  Picture picture(bool blink_shown = true) const override;
  std::unique_ptr<DisplayView> open_view() const override;
  VgaState registers() const;  // [any-thread]
  std::span<const u8> video_memory() const { return {video_bytes_, video_.size}; }

  std::string_view name() const override { return "vga"; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void color_io(bus::IoAccess& access);
  void mono_io(bus::IoAccess& access);
  void vbe_io(bus::IoAccess& access);
  void register_io(bus::IoAccess& access);  // BAR 2
  void window_io(bus::IoAccess& access);

  // Ports by their offset from 3C0h.
  u8 read_port(u64 offset);
  void write_port(u64 offset, u8 value);
  u8 read_status();
  void write_attribute(u8 value);
  void write_crtc(u8 value);
  u8 read_dac();
  void write_dac(u8 value);
  u16 read_vbe(unsigned index) const;
  void write_vbe(unsigned index, u16 value);
  void enable_vbe(u16 value);

  bool window_offset(u64 offset, u64& address) const;
  u8 read_window(u64 offset);
  void write_window(u64 offset, u8 value);
  u8 read_planes(u64 address);
  void write_planes(u64 address, u8 value);
  std::array<u8, 4> planes_to_write(u8 value) const;
  void store(u64 index, u8 value);

  time::Clock& clock_;
  mem::GuestMemory& memory_;
  Memory video_;
  u8* video_bytes_;
  mutable std::mutex mutex_;
  VgaState state_;
  bus::IoMember<Vga> color_, mono_, vbe_ports_, window_, registers_;
};

}  // namespace tandem::devices
