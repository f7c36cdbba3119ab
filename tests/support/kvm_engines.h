// Engines with hardware assistance, for tests: KVM in all modes whether that is of use or not, or for user
// code alone.
#pragma once

#include "hwassist/kvm_engine.h"
#include "hwassist/probe/probe.h"
#include "tests/support/engines.h"

namespace tandem::tests {

inline hwassist::Verdict forced(hwassist::Assist assist) {
  hwassist::Verdict verdict;
  verdict.assist = assist;
  verdict.usable.fill(true);
  return verdict;
}

inline EngineRow kvm_row(std::string name, hwassist::Assist assist) {
  const auto make = [assist] {
    return hwassist::make_kvm_engine(hwassist::kvm::make_host(), jit::make_jit_engine(), forced(assist));
  };
  return {std::move(name), make, false};
}

// Why nothing can be tested with KVM here; empty: it can.
inline std::string kvm_obstacle() { return hwassist::probe_kvm(hwassist::kvm::make_host()).obstacle; }

}  // namespace tandem::tests
