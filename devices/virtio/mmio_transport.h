// A virtio device at a physical address (VIRTIO 1.2, 4.2), for guests without a PCI bus or that look for
// none.
#pragma once

#include "core/bus/bus.h"
#include "core/irq/line.h"
#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

struct MmioTransportState {
  u32 offered_select = 0, accepted_select = 0;  // which half of the features
  u32 queue_select = 0;
  u8 isr = 0;
  static void fields(auto& a, auto& s) { a(s.offered_select, s.accepted_select, s.queue_select, s.isr); }
};

class MmioTransport final : public machine::Device, public bus::IoHandler, private Model::Transport {
 public:
  static constexpr u64 kSize = 0x200;  // of its registers; what follows them is configuration

  MmioTransport(std::unique_ptr<Model> device, irq::LevelIrq irq);
  // Once, before the machine runs: the claim of its registers, which it keeps.
  void place(bus::Claim claim) { claim_ = std::move(claim); }
  ~MmioTransport();

  std::string_view name() const override { return device_->identity().name; }
  void io(bus::IoAccess& access) override;
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override { return device_->quiesce(); }
  void resume() override { device_->resume(); }
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  void queue_used(unsigned queue) override;
  void config_changed() override;
  void interrupt(u8 isr_bit);
  MmioTransportState registers() const;
  u32 read_register(u64 offset) const;
  void write_register(u64 offset, u32 value);
  bool write_own(u64 offset, u32 value);  // false: it is the device's
  void write_status(u8 value);
  void write_queue(u64 offset, u32 value);
  void place_doorbells();

  std::unique_ptr<Model> device_;
  bus::Claim claim_;
  irq::LevelIrq irq_;
  mutable std::mutex mutex_;  // guards state_ and irq_; taken after the device's
  MmioTransportState state_;
};

}  // namespace tandem::devices::virtio
