// A virtio device on the PCI bus (VIRTIO 1.2, 4.1): transitional, so that drivers of 0.9.5 find it too.
#pragma once

#include "devices/pci/pci_device.h"
#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

struct PciTransportState {
  u32 offered_select = 0, accepted_select = 0;  // which half of the features
  u16 queue_select = 0;
  u16 config_vector = kNoVector;
  std::vector<u16> queue_vectors;
  u8 isr = 0;
  static void fields(auto& a, auto& s) {
    a(s.offered_select, s.accepted_select, s.queue_select, s.config_vector, s.queue_vectors, s.isr);
  }
};

class PciTransport final : public PciDevice, private Model::Transport {
 public:
  PciTransport(machine::DeviceContext context, std::unique_ptr<Model> device, irq::LevelIrq irq,
               irq::MsiTarget& msi);
  ~PciTransport() override;

  std::string_view name() const override { return device_->identity().name; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return device_->quiesce(); }
  void resume() override { device_->resume(); }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void queue_used(unsigned queue) override;
  void config_changed() override;
  void interrupt(u16 vector, u8 isr_bit);
  u8 take_isr();
  void write_status(u8 value);
  void place_doorbells();
  u16 valid_vector(u64 value) const;
  PciTransportState initial_state() const;
  PciTransportState registers() const;

  void add_capabilities();
  void config_wanted(unsigned offset, unsigned size) override;
  void config_written(unsigned offset, unsigned size) override;
  bool window_access(bus::IoDir dir, u64& value);

  void modern_io(bus::IoAccess& access);
  u64 read_common(u64 offset, unsigned size) const;
  void write_common(u64 offset, unsigned size, u64 value);
  void write_queue(u64 offset, unsigned size, u64 value);

  void legacy_io(bus::IoAccess& access);  // pci_legacy.cpp
  u64 read_legacy(u64 offset, unsigned size);
  void write_legacy(u64 offset, unsigned size, u64 value);
  static constexpr u64 kLegacyNotify = 16;
  u64 legacy_config_offset() const { return msix_.enabled() ? 24 : 20; }

  std::unique_ptr<Model> device_;
  Msix msix_;
  irq::LevelIrq irq_;
  unsigned window_ = 0;  // the capability through which configuration space reaches the BAR
  bus::IoMember<PciTransport> modern_, legacy_;
  mutable std::mutex mutex_;  // guards state_ and irq_; taken after the device's
  PciTransportState state_;
};

}  // namespace tandem::devices::virtio
