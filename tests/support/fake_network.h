// A network that the test plays.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <condition_variable>

#include "devices/backend/net/net_backend.h"

namespace tandem::tests {

using Bytes = std::vector<u8>;

// Keeps what the guest sends; frames for the guest are put in by the test's thread.
class FakeNetwork final : public devices::Network {
 public:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Bytes> sent, arriving;
    unsigned arrived = 0;
    int fd = eventfd(0, EFD_NONBLOCK);
    ~Shared() { close(fd); }

    void arrive(Bytes frame) { arrive_together({std::move(frame)}); }
    // None of them waits until the others were taken.
    void arrive_together(const std::vector<Bytes>& frames) {
      std::lock_guard lock(mutex);
      arriving.insert(arriving.end(), frames.begin(), frames.end());
      const u64 one = 1;
      ASSERT_EQ(write(fd, &one, 8), 8);
    }
    // The frames that the guest has sent, once there are `count`.
    std::vector<Bytes> wait_sent(std::size_t count) {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::seconds(20), [&] { return sent.size() >= count; });
      return std::exchange(sent, {});
    }
    void wait_arrived(unsigned count) {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::seconds(20), [&] { return arrived >= count; });
    }
  };
  explicit FakeNetwork(std::shared_ptr<Shared> shared, devices::NetTraits traits = {9000, true, true})
      : shared_(std::move(shared)), traits_(traits) {}
  void connect(devices::FrameSink to_guest) override { to_guest_ = std::move(to_guest); }
  void send(devices::Frame frame) override {
    std::lock_guard lock(shared_->mutex);
    shared_->sent.emplace_back(frame.begin(), frame.end());
    shared_->changed.notify_all();
  }
  void prepare(std::vector<pollfd>& fds, int&) override { fds.push_back({shared_->fd, POLLIN, 0}); }
  void handle(std::span<const pollfd>) override {
    std::unique_lock lock(shared_->mutex);
    u64 count;
    std::ignore = read(shared_->fd, &count, 8);
    const std::vector<Bytes> frames = std::exchange(shared_->arriving, {});
    lock.unlock();
    for (const Bytes& f : frames) to_guest_(f);
    lock.lock();
    shared_->arrived += static_cast<unsigned>(frames.size());
    shared_->changed.notify_all();
  }
  Result<void> forward(const devices::Forward&) override { return {}; }
  devices::NetTraits traits() const override { return traits_; }

 private:
  std::shared_ptr<Shared> shared_;
  devices::NetTraits traits_;
  devices::FrameSink to_guest_;
};

}  // namespace tandem::tests
