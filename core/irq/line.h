// Interrupt wires. Level lines, edges and messages are different types, so that a device can't mix them up.
// Levels are logical: true = asserted, whatever the polarity on a real board.
#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include "core/base/types.h"

namespace tandem::irq {

// What became of a rising edge.
enum class EdgeEffect : u8 {
  None,       // nobody wants it: masked, turned off, or no edge at all
  Coalesced,  // it went into a request that still waits for the CPU: the guest will see one for both
  Requested
};
// Of one edge at two places.
inline EdgeEffect operator|(EdgeEffect a, EdgeEffect b) { return std::max(a, b); }

// A pin of an interrupt controller. [any-thread]
class IrqInput {
 public:
  virtual EdgeEffect set_irq(unsigned pin, bool level) = 0;

 protected:
  ~IrqInput() = default;
};

// A wire with any number of drivers (wired OR) and of inputs it leads to. The board makes it.
// Lock order: a device's lock, then the wire's, then the controller's, then a local APIC's.
class IrqWire {
 public:
  IrqWire() = default;
  IrqWire(const IrqWire&) = delete;
  IrqWire& operator=(const IrqWire&) = delete;
  void connect(IrqInput& input, unsigned pin) { targets_.push_back({&input, pin}); }

 private:
  friend class LevelIrq;
  friend class EdgeIrq;
  struct Target {
    IrqInput* input;
    unsigned pin;
  };
  void drive(bool assert_it);  // one driver changed to this level
  EdgeEffect pulse();

  std::mutex mutex_;
  unsigned asserted_ = 0;  // drivers that assert it now
  std::vector<Target> targets_;
};

// A device's end of a level-triggered line. The device's lock guards it. After load(), a device sets it again
// from its state; controllers see no edge from that, since their own state has the level.
class LevelIrq {
 public:
  explicit LevelIrq(IrqWire& wire) : wire_(&wire) {}
  void set(bool level) {
    if (level == level_) return;
    level_ = level;
    wire_->drive(level);
  }
  void raise() { set(true); }
  void lower() { set(false); }
  bool level() const { return level_; }

 private:
  IrqWire* wire_;
  bool level_ = false;
};

// A device's end of an edge-triggered line.
class EdgeIrq {
 public:
  explicit EdgeIrq(IrqWire& wire) : wire_(&wire) {}
  EdgeEffect pulse() { return wire_->pulse(); }

 private:
  IrqWire* wire_;
};

// Message-signalled interrupts (SDM vol. 3, 11.11).
struct MsiMessage {
  u64 address;
  u32 data;
};
class MsiTarget {
 public:
  virtual void send(const MsiMessage& message) = 0;  // [any-thread]

 protected:
  ~MsiTarget() = default;
};

}  // namespace tandem::irq
