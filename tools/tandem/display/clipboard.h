// Clipboard: one text that host and guest share, over a port of a virtio console. A line in either direction
// is a text that was copied there, in UTF-8 and base64 (docs/clipboard.md).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/base/result.h"
#include "devices/backend/char_backend.h"

namespace tandem::tools {

class Clipboard {
 public:
  static constexpr const char* kPortName = "org.tandem.clipboard";
  static constexpr std::size_t kMaxText = 1 * MiB;

  static Result<std::unique_ptr<Clipboard>> create();
  ~Clipboard();

  // For the console's port; once.
  std::unique_ptr<devices::CharBackend> take_guest_end();
  // Called with each text that is copied in the guest, or set; null: nobody is. [any-thread]
  void set_listener(std::function<void(const std::string&)> listener);
  // Somebody has copied a text on the host. One that is too long stays there. [any-thread]
  void copied_on_host(const std::string& text);
  // The same for a text that comes from somewhere else: the host gets it too. [any-thread]
  void set(const std::string& text);
  std::string text() const;  // [any-thread]

 private:
  Clipboard(int ours, int theirs);
  void run();
  void receive();
  void take_line(const std::string& line);
  void tell(const std::string& text);
  void send();
  void wake();

  int ours_, theirs_, wake_;
  std::string input_;   // of the thread
  std::string output_;  // of the thread: the rest of a line on its way
  mutable std::mutex mutex_;
  std::string text_;  // with mutex_, as what follows
  bool unsent_ = false, ending_ = false;
  std::mutex listener_mutex_;  // held while the listener is called
  std::function<void(const std::string&)> listener_;
  std::thread thread_;
};

}  // namespace tandem::tools
