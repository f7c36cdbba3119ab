// VgaView: the adapter's picture for one who looks again and again. Video memory is compared with what it
// was, so it does not matter who writes it, and by which engine.
#pragma once

#include "devices/display/display.h"
#include "devices/display/vga_state.h"

namespace tandem::devices {

class Vga;

class VgaView final : public DisplayView {
 public:
  explicit VgaView(const Vga& vga) : vga_(vga) {}
  std::vector<Rows> refresh(bool blink_shown) override;

 private:
  std::vector<Rows> refresh_lines(const VgaState& state, bool all);
  std::vector<Rows> refresh_whole(const VgaState& state, bool blink_shown, bool all);

  const Vga& vga_;
  VgaState state_;        // that the picture shows
  std::vector<u8> seen_;  // of video memory: the legacy modes' part, or the lines of a VBE mode
  bool blink_shown_ = true;
};

}  // namespace tandem::devices
