// GuestVnc: a guest's display for VNC viewers.
#pragma once

#include <memory>
#include <string>

#include "devices/backend/vnc/vnc_server.h"
#include "tools/tandem/display/face.h"
#include "tools/tandem/display/pump.h"

namespace tandem::tools {

struct VncSpec {
  std::string host = "127.0.0.1";
  unsigned display = 0;       // TCP port 5900 + display
  std::string path;           // or a Unix socket
  std::string password_file;  // its first line
};
// vnc[:N][,listen=ADDRESS][,password=FILE] or vnc,unix=PATH[,password=FILE]
Result<VncSpec> parse_vnc_spec(const std::string& text);

class GuestVnc final : public Face {
 public:
  // pc outlives it, and has a display; so does a clipboard that is not null.
  static Result<std::unique_ptr<Face>> open(devices::Pc& pc, const config::Settings& settings,
                                            Clipboard* clipboard);
  ~GuestVnc() override;

 private:
  GuestVnc() = default;

  Clipboard* clipboard_ = nullptr;
  std::string path_;  // of a Unix socket, to be removed
  std::unique_ptr<devices::VncServer> server_;
  std::unique_ptr<DisplayPump> pump_;
};

}  // namespace tandem::tools
