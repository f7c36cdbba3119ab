// What all virtio devices have in common: status, features, queues, configuration fields (VIRTIO 1.2,
// chapters 2 and 3). A transport shows it to the driver; a class derived from it knows what buffers mean.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/bits.h"
#include "core/machine/device.h"
#include "devices/virtio/ring.h"

namespace tandem::devices::virtio {

struct DeviceState {
  u8 status = 0;
  u64 accepted = 0;  // features
  std::vector<QueueState> queues;
  static void fields(auto& a, auto& s) { a(s.status, s.accepted, s.queues); }
};

class Model {
 public:
  struct Identity {
    DeviceType type;
    std::string name;  // unique in its machine
    u32 pci_class;
  };
  // The way to the driver. Called with the device's lock held.
  class Transport {
   public:
    virtual void queue_used(unsigned queue) = 0;
    virtual void config_changed() = 0;

   protected:
    ~Transport() = default;
  };

  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Once, before the machine runs.
  void connect(Transport& transport) { transport_ = &transport; }
  const Identity& identity() const { return identity_; }
  unsigned queue_count() const { return static_cast<unsigned>(sizes_.size()); }
  u16 max_queue_size(unsigned n) const { return n < queue_count() ? sizes_[n] : u16{0}; }  // 0: there is none
  u64 offered() const { return offered_; }
  // Takes features away from what is offered. Before the machine runs.
  void withhold(u64 features) { offered_ &= ~features; }

  // For the driver, through the transport. [vcpu-thread]
  u64 accepted() const;
  void accept(u64 features);
  u8 status() const;
  void write_status(u8 value);
  QueueState queue(unsigned n) const;
  // Ignored while the queue is in use. A queue that is enabled is used from DRIVER_OK on.
  void set_queue(unsigned n, const QueueState& state);
  void kick(unsigned queue);  // [any-thread]
  bool in_use(unsigned queue) const;
  u64 read_config(u64 offset, unsigned size) const;
  void write_config(u64 offset, unsigned size, u64 value);
  u8 config_generation() const;

  // As in machine::Device.
  void reset();
  virtual Result<void> quiesce() { return {}; }
  virtual void resume();
  void save(snapshot::StateWriter& writer) const;
  // Reads what save() wrote; what is returned puts it in force.
  std::function<void()> load(snapshot::StateReader& reader);

 protected:
  // queue_sizes: the largest each may have.
  Model(const machine::DeviceContext& context, Identity identity, u64 features, std::vector<u16> queue_sizes);

  // With the lock held:
  virtual void kicked(unsigned queue) = 0;  // there may be something in it
  virtual void stopped() {}                 // the driver has reset the device, the rings are gone
  virtual void config_written(u64 offset, u8 value);
  virtual void save_own(snapshot::StateWriter&) const {}
  virtual std::function<void()> load_own(snapshot::StateReader&) {
    return [] {};
  }

  std::unique_lock<std::mutex> lock() const { return std::unique_lock(mutex_); }
  // With the lock held, also from here on.
  // The next chain. False: there is none, and the driver will notify; or the ring was broken.
  bool take(unsigned queue, Chain& chain);
  Ring* ring(unsigned queue) { return rings_[queue].get(); }  // null: not in use
  // Gives a chain back and interrupts the driver if it wants that. A queue that was reset meanwhile ignores
  // it.
  void complete(unsigned queue, const Chain& chain, u32 written);
  void publish(unsigned queue);
  bool started() const { return state_.status & kDriverOk; }
  bool has(u64 features) const { return (state_.accepted & features) == features; }
  // The driver broke a rule: nothing goes on until it resets the device.
  void fail();
  // A reset waits until as many release() as hold() were called.
  void hold() { ++under_way_; }
  void release();
  template <class T>
  void set_config(u64 offset, T value) {
    if (config_.size() < offset + sizeof value) config_.resize(offset + sizeof value);
    store_le(config_.data() + offset, value);
  }
  void config_changed();

  mem::GuestMemory& memory() { return memory_; }
  machine::Counters& counters() { return counters_; }

 private:
  void open(unsigned queue);
  void start();
  void clear();

  mem::GuestMemory& memory_;
  machine::Counters& counters_;
  const Identity identity_;
  const std::vector<u16> sizes_;
  u64 offered_;
  Transport* transport_ = nullptr;

  mutable std::mutex mutex_;  // guards all below, and the derived class's state
  DeviceState state_;
  std::vector<std::unique_ptr<Ring>> rings_;
  std::vector<u8> config_;
  u8 generation_ = 0;
  unsigned under_way_ = 0;
  bool reset_pending_ = false;
};

}  // namespace tandem::devices::virtio
