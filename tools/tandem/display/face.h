// Face: where a guest shows its display, as display= says: a window, a VNC server.
#pragma once

#include <memory>

#include "core/config/settings.h"
#include "devices/board/pc.h"
#include "tools/tandem/control/guest_control.h"

namespace tandem::tools {

class Face {
 public:
  virtual ~Face() = default;
};

// Before the guest is made: whether display= can be had. Error: it makes no sense.
Result<void> check_display(const config::Settings& settings);
// Null: none is wanted, or nothing was said and there is none. All outlive it. Error: one that is wanted
// can't be had.
Result<std::unique_ptr<Face>> open_face(devices::Pc& pc, const config::Settings& settings,
                                        GuestControl& control);

}  // namespace tandem::tools
