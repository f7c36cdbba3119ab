// Split virtqueues: 2.7.
#pragma once

#include "devices/virtio/ring.h"

namespace tandem::devices::virtio {

class SplitRing final : public Ring {
 public:
  static std::unique_ptr<Ring> make(mem::GuestMemory& memory, const QueueState& state, u64 features);

  Taken take(Chain& chain) override;
  void give_back(const Chain& chain, u32 written) override;
  bool publish() override;
  bool ask_for_notification() override;
  void spare_notification() override;

 private:
  struct Areas {
    GuestArea descriptors, available, used;
  };
  SplitRing(mem::GuestMemory& memory, const QueueState& state, u64 features, const Areas& areas)
      : Ring(memory, state, features), areas_(areas) {}
  Descriptor descriptor(u16 index) const;
  bool follow(Chain& chain, u16 head);
  bool follow_table(Chain& chain, const std::vector<Descriptor>& table);
  u16 available_index() const { return areas_.available.load<u16>(2); }

  Areas areas_;
};

}  // namespace tandem::devices::virtio
