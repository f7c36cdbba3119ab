// A character back end that keeps what the guest writes.
#pragma once

#include <mutex>
#include <string>

#include "devices/backend/char_backend.h"

namespace tandem::tests {

// Shared with the back end, which the machine owns. [any-thread]
class Transcript {
 public:
  void append(std::span<const u8> bytes) {
    std::lock_guard lock(mutex_);
    text_.append(bytes.begin(), bytes.end());
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

class CaptureBackend final : public devices::CharBackend {
 public:
  explicit CaptureBackend(std::shared_ptr<Transcript> transcript) : transcript_(std::move(transcript)) {}
  void attach(devices::CharReceiver*) override {}
  bool can_write() override { return true; }
  void write(std::span<const u8> bytes) override { transcript_->append(bytes); }
  void input_wanted() override {}
  void flush() override {}

 private:
  std::shared_ptr<Transcript> transcript_;
};

}  // namespace tandem::tests
