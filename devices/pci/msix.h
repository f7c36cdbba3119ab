// MSI-X (PCI Local Bus Specification 3.0, 6.8.2): the table of vectors and the pending bits, in one BAR.
#pragma once

#include <mutex>
#include <vector>

#include "core/bus/bus.h"
#include "core/irq/line.h"

namespace tandem::devices {

struct MsixVector {
  u64 address = 0;
  u32 data = 0;
  u32 control = 1;  // bit 0: masked
  bool pending = false;
  static void fields(auto& a, auto& s) { a(s.address, s.data, s.control, s.pending); }
};

class Msix final : public bus::IoHandler {
 public:
  static constexpr u64 kBarSize = 4 * KiB;
  static constexpr u32 kPending = 2 * KiB;  // where the pending bits are; the table is at 0
  static constexpr unsigned kMaxVectors = 128;

  Msix(unsigned vectors, irq::MsiTarget& target) : target_(target), vectors_(vectors) {}

  void io(bus::IoAccess& access) override;
  unsigned vectors() const { return static_cast<unsigned>(vectors_.size()); }
  // The message control register of the capability, after a write. [any-thread]
  void set_control(u16 control);
  bool enabled() const;
  // Sends the vector's message, now or when it is no longer masked. [any-thread]
  void raise(unsigned vector);

  void reset();
  std::vector<MsixVector> state() const;
  bool fits(const std::vector<MsixVector>& state) const { return state.size() == vectors_.size(); }
  void set_state(const std::vector<MsixVector>& state);

 private:
  u32 read_dword(u64 offset) const;
  void write_dword(u64 offset, u32 value);
  void send(MsixVector& vector);
  void send_pending();

  irq::MsiTarget& target_;
  mutable std::mutex mutex_;  // guards all below
  std::vector<MsixVector> vectors_;
  bool enabled_ = false, all_masked_ = false;
};

}  // namespace tandem::devices
