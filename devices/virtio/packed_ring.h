// Packed virtqueues: 2.8.
#pragma once

#include "devices/virtio/ring.h"

namespace tandem::devices::virtio {

class PackedRing final : public Ring {
 public:
  static std::unique_ptr<Ring> make(mem::GuestMemory& memory, const QueueState& state, u64 features);

  Taken take(Chain& chain) override;
  void give_back(const Chain& chain, u32 written) override;
  bool publish() override;
  bool ask_for_notification() override;
  void spare_notification() override;

 private:
  struct Areas {
    GuestArea descriptors, driver_events, device_events;
  };
  PackedRing(mem::GuestMemory& memory, const QueueState& state, u64 features, const Areas& areas)
      : Ring(memory, state, features), areas_(areas) {}
  u16 flags(u16 slot) const;
  bool available(u16 position, u16 flags) const;
  u16 advanced(u16 position, u16 slots) const;
  // Where `position` is before the wrap of `reference`: negative as a 16-bit number.
  u16 relative(u16 position, u16 reference) const;
  bool follow(Chain& chain, u16 first_flags);
  bool add_table(Chain& chain, u64 address, u32 length);

  Areas areas_;
  // The flags of the first descriptor that was given back: written last, so that all are seen together.
  bool staged_ = false;
  u16 staged_slot_ = 0, staged_flags_ = 0;
};

}  // namespace tandem::devices::virtio
