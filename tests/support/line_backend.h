// A character back end whose other end is the test.
#pragma once

#include <string>

#include "devices/backend/char_backend.h"

namespace tandem::tests {

class LineBackend final : public devices::CharBackend {
 public:
  void attach(devices::CharReceiver* receiver) override { receiver_ = receiver; }
  bool can_write() override { return !blocked_; }
  void write(std::span<const u8> bytes) override { written_.append(bytes.begin(), bytes.end()); }
  void input_wanted() override { ++wanted_; }
  void flush() override {}

  // Types what the device has room for; returns what it took.
  size_t type(std::string_view text) {
    const size_t n = std::min(text.size(), receiver_->room());
    force(text.substr(0, n));
    return n;
  }
  // As from a line that knows no flow control.
  void force(std::string_view text) {
    receiver_->receive({reinterpret_cast<const u8*>(text.data()), text.size()});
  }
  void block(bool on) {
    blocked_ = on;
    if (!on) receiver_->writable();
  }
  std::string take_written() { return std::exchange(written_, {}); }
  unsigned take_wanted() { return std::exchange(wanted_, 0u); }
  bool attached() const { return receiver_ != nullptr; }

 private:
  devices::CharReceiver* receiver_ = nullptr;
  std::string written_;
  bool blocked_ = false;
  unsigned wanted_ = 0;
};

}  // namespace tandem::tests
