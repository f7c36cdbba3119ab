// A device whose requests are served on a thread of its own, one after the other: for work that waits for the
// host.
#pragma once

#include <condition_variable>
#include <thread>

#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

class ServedModel : public Model {
 public:
  Result<void> quiesce() override;

 protected:
  using Model::Model;
  // The derived class's constructor ends with the first, its destructor begins with the second.
  void start_serving();
  void stop_serving();

  // Carries out a request and gives how many bytes were written. [the device's thread, lock not held]
  virtual u32 serve(unsigned queue, const Chain& chain) = 0;

 private:
  void kicked(unsigned queue) override;
  void work();
  void empty(unsigned queue, std::unique_lock<std::mutex>& held);

  Chain chain_;  // under way; the thread's own
  // With the device's lock:
  std::condition_variable wanted_, rested_;
  u64 kicked_ = 0;  // a bit for each queue
  bool busy_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace tandem::devices::virtio
