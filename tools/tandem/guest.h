// From settings to a machine: checks, back ends, boot loader.
#pragma once

#include <functional>

#include "core/config/settings.h"
#include "core/cpu/cpuid_models.h"
#include "devices/board/pc.h"
#include "tools/tandem/expect.h"

namespace tandem::tools {

struct Guest {
  cpu::CpuModel model;  // the machine points at it
  devices::PcConfig config;
  std::shared_ptr<Expectations> expectations;
  std::vector<std::string> notes;  // what the user should know; a line each
};

// Everything that can be wrong with settings is found here, before a guest exists. on_escape: Ctrl-] on the
// console.
Result<std::unique_ptr<Guest>> make_guest(const config::Settings& settings, std::function<void()> on_escape);

}  // namespace tandem::tools
