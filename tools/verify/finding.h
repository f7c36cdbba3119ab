// A difference, and what can be said about it.
#pragma once

#include <string>

#include "tools/verify/comparison.h"

namespace tandem::verify {

// What the engine made of the instructions of an excursion.
struct Sample {
  u64 done = 0;
  cpu::StopReason why = cpu::StopReason::BudgetSpent;
  bool asked = false;  // it reached out of CPU and memory
  cpu::CpuState end;
};

struct Finding {
  VcpuId vcpu;
  u64 number;  // of the sample
  u64 seed;
  std::string_view engine;
  cpu::CpuState start = {};
  Excursion excursion = {};
  Pages written = {};  // by the excursion
  Sample sample = {};
  Comparison comparison = {};

  bool is_one() const { return sample.done != excursion.done || sample.asked || !comparison.equal(); }
};

// Who has a second look.
struct Witnesses {
  Stepper& stepper;
  Explorer& explorer;
  View& view;  // keeps the pages that the excursion wrote
  cpu::Vcpu& again;
  cpu::ExitSink& machine;
  bool alone;
};

std::string describe(const Finding& finding, const Witnesses& witnesses);

}  // namespace tandem::verify
