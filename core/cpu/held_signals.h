// Signals for a vCPU that are kept until whoever has its state can take them.
#pragma once

#include <atomic>

#include "core/cpu/engine.h"

namespace tandem::cpu {

class HeldSignals {
 public:
  void hold(Signal s, u8 sipi_vector) noexcept {  // [any-thread]
    if (s == Signal::Startup) sipi_vector_ = sipi_vector;
    held_.fetch_or(bit_of(s));
  }
  bool any() const { return held_ != 0; }
  void pass_on(Vcpu& to) {
    const u32 held = held_.exchange(0);
    for (const Signal s : {Signal::Interrupt, Signal::Init, Signal::Startup, Signal::Nmi, Signal::Smi})
      if (held & bit_of(s)) to.signal(s, sipi_vector_);
  }
  void forget() { held_ = 0; }

 private:
  static constexpr u32 bit_of(Signal s) { return 1u << static_cast<unsigned>(s); }
  std::atomic<u32> held_ = 0;
  std::atomic<u8> sipi_vector_ = 0;
};

}  // namespace tandem::cpu
