// A block back end in memory whose requests wait until the test lets them go.
#pragma once

#include <cstring>
#include <deque>
#include <vector>

#include "devices/backend/block/block_backend.h"

namespace tandem::tests {

class FakeDisk final : public devices::BlockBackend {
 public:
  explicit FakeDisk(u64 bytes, bool read_only = false) : content(bytes), read_only_(read_only) {
    for (u64 i = 0; i < bytes; ++i) content[i] = static_cast<u8>((i >> 9) * 7 + i);
  }
  devices::BlockGeometry geometry() const override { return {content.size(), read_only_}; }
  void submit(devices::BlockRequest request) override { waiting.push_back(std::move(request)); }
  bool read_now(u64 offset, const devices::Buffers& to) override {
    if (at_hand) devices::copy_to(to, std::span(content).subspan(offset));
    return at_hand;
  }
  Result<void> drain() override { return go(), Result<void>(); }

  // Carries out what waits, and what that brings.
  void go() {
    while (!waiting.empty()) {
      devices::BlockRequest r = std::move(waiting.front());
      waiting.pop_front();
      const devices::BlockStatus status = carry_out(r);
      if (r.done) r.done(status);
    }
  }

  std::vector<u8> content;
  std::deque<devices::BlockRequest> waiting;
  unsigned flushes = 0;
  bool at_hand = false;  // what is read without waiting
  devices::BlockStatus answer = devices::BlockStatus::Ok;

 private:
  devices::BlockStatus carry_out(const devices::BlockRequest& r) {
    if (!answer) return answer;
    const std::span<u8> place = std::span(content).subspan(r.offset, r.length);
    if (r.op == devices::BlockOp::Read) devices::copy_to(r.buffers, place);
    if (r.op == devices::BlockOp::Write) devices::copy_from(place, r.buffers);
    if (r.op == devices::BlockOp::Flush) ++flushes;
    return devices::BlockStatus::Ok;
  }
  bool read_only_;
};

}  // namespace tandem::tests
