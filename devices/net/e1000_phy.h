// The PHY inside an 82540EM (Software Developer's Manual, 13.4.7: the management interface; 12: its
// registers). Its cable is always plugged in, at a gigabit.
#pragma once

#include <array>

#include "core/base/types.h"

namespace tandem::devices::e1000 {

class Phy {
 public:
  Phy() { reset(); }
  void reset();
  // MDIC: what was written to it becomes what is read from it.
  u32 manage(u32 command);
  bool link_up() const;

  using Registers = std::array<u16, 32>;
  const Registers& registers() const { return registers_; }
  void set_registers(const Registers& registers) { registers_ = registers; }

 private:
  void write(unsigned index, u16 value);
  Registers registers_;
};

}  // namespace tandem::devices::e1000
