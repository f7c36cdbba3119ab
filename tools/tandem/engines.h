// Which engine runs a guest.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/result.h"
#include "core/config/settings.h"
#include "core/cpu/engine.h"
#include "hwassist/findings.h"

namespace tandem::tools {

struct EngineChoice {
  std::string name;
  std::string reason;
  std::unique_ptr<cpu::Engine> engine;
};

// Makes engines. KVM is tried out when that is first of interest, and once. [any-thread]
class EngineMaker {
 public:
  // By engine (auto, interp, jit, kvm; with a trailing ! it is that one or an error), jit, verify and dump.
  Result<EngineChoice> choose(const config::Settings& settings);
  const hwassist::Findings& kvm();

 private:
  Result<EngineChoice> by_verdict(const config::Settings& settings);
  Result<EngineChoice> assisted(const config::Settings& settings, bool insist);
  Result<EngineChoice> translator(const config::Settings& settings, std::string reason);
  Result<EngineChoice> with_kvm(const config::Settings& settings, const hwassist::Verdict& verdict);

  std::mutex mutex_;  // guards the rest
  std::optional<hwassist::Findings> kvm_;
};

}  // namespace tandem::tools
