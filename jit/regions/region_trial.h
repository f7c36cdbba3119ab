// Whether a region pays: stretches of a vCPU's time with it and without, in turn, held against each other.
#pragma once

#include <vector>

#include "core/base/types.h"

namespace tandem::jit {

class RegionTrial {
 public:
  enum class Verdict : u8 {
    Open,  // go on
    Pays,
    Fails,
    Void,  // the guest does other things now
  };
  // What ran meanwhile.
  struct Stretch {
    double rate = 0;   // instructions a nanosecond, of all
    double share = 0;  // of the instructions, those that the region retired
  };

  // In the stretch that begins.
  bool wants_region() const { return with_; }
  // Of the stretch that has ended, for which wants_region() was followed.
  Verdict add(const Stretch& stretch);

 private:
  Verdict verdict() const;

  bool with_ = false;
  double rate_without_ = 0;
  unsigned void_ = 0;
  std::vector<double> ratios_;  // of rates with it and without
};

}  // namespace tandem::jit
