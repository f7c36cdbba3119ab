// GuestControl: the verbs of a running PC.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/config/settings.h"
#include "devices/board/pc.h"
#include "tools/tandem/control/verbs.h"
#include "tools/tandem/engines.h"

namespace tandem::tools {

class GuestControl {
 public:
  // quit: ends the run. All outlive this.
  GuestControl(devices::Pc& pc, const config::Settings& settings, std::function<void()> quit);

  Verbs verbs();

 private:
  Result<Json> status();
  Result<Json> pause();
  Result<Json> resume();
  Result<Json> engine(const Json& request);
  Result<Json> screenshot(const Json& request);
  Result<Json> statistics();
  Result<Json> change_cd(const Json& request);

  devices::Pc& pc_;
  const config::Settings& settings_;
  std::function<void()> quit_;
  std::vector<std::unique_ptr<cpu::Engine>> engines_;  // that the guest was switched to
  std::optional<machine::Machine::Hold> pause_;
};

}  // namespace tandem::tools
