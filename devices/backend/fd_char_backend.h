// A character back end on file descriptors, with a thread of its own.
#pragma once

#include <termios.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "devices/backend/char_backend.h"

namespace tandem::devices {

class FdCharBackend final : public CharBackend {
 public:
  struct Config {
    int input = -1, output = -1;  // owned
    int listener = -1;            // a socket whose one connection is input and output
    int keep_open = -1;
    bool lossy = false;  // drop output that nobody takes, instead of holding the guest up
    std::string unlink_path;
    std::optional<termios> restore_terminal;
    std::function<void()> on_escape;
  };
  explicit FdCharBackend(Config config);
  ~FdCharBackend() override;

  void attach(CharReceiver* receiver) override;
  bool can_write() override { return !full_.load(std::memory_order_relaxed); }
  void write(std::span<const u8> bytes) override;
  void input_wanted() override { wake(); }
  void flush() override;

 private:
  void run();
  void wake();
  void wait(bool want_input);
  void drain();
  size_t write_some(std::string_view bytes);  // bytes done with
  bool deliver();                             // true: there may be more input and room for it
  void fill();
  void accept_connection();
  void close_connection();
  bool connected() const { return config_.output >= 0; }

  Config config_;
  int wake_fd_;
  std::mutex mutex_;  // guards pending_ and stop_
  std::condition_variable drained_;
  std::string pending_;  // output not yet with the host
  bool writing_ = false;
  bool stop_ = false;
  std::atomic<bool> full_ = false;
  std::atomic<bool> asleep_ = false;
  bool output_blocked_ = false;
  std::string input_;  // read, not yet delivered; the thread's own

  std::mutex receiver_mutex_;  // held during calls into the receiver
  CharReceiver* receiver_ = nullptr;
  std::thread thread_;
};

}  // namespace tandem::devices
