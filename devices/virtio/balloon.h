// virtio-balloon (VIRTIO 1.2, 5.5): memory that the guest gives up goes back to the host, on demand (the
// balloon) or whenever the guest has free pages (free page reporting).
#pragma once

#include "devices/virtio/served_model.h"

namespace tandem::devices::virtio {

class Balloon final : public ServedModel {
 public:
  Balloon(const machine::DeviceContext& context, std::string name);
  ~Balloon() override { stop_serving(); }

  // Asks the guest to give up so many bytes in all. [any-thread]
  void set_target(u64 bytes);
  u64 given_up() const;  // as the guest says [any-thread]

 private:
  u32 serve(unsigned queue, const Chain& chain) override;
  void inflate(const Chain& chain);
  void config_written(u64 offset, u8 value) override;
  void stopped() override;
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;

  u32 target_ = 0, actual_ = 0;  // pages of 4 KiB
};

}  // namespace tandem::devices::virtio
