// The clipboard's host end, with the test in the guest's place.
#include "tools/tandem/display/clipboard.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;
using tools::Clipboard;

constexpr std::chrono::seconds kLimit(20);

unsigned open_sockets() {
  unsigned count = 0;
  for (const fs::directory_entry& fd : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the directory's own
    count += fs::read_symlink(fd, gone).string().starts_with("socket:");
  }
  return count;
}

// Text that arrives at either end.
class Arrivals {
 public:
  void add(std::string_view text) {
    const std::lock_guard lock(mutex_);
    all_ += text;
    changed_.notify_all();
  }
  bool comes(const std::string& text) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return all_ == text; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string all_;
};

class Agent final : public devices::CharReceiver {
 public:
  size_t room() override { return 4096; }
  void receive(std::span<const u8> bytes) override {
    lines.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  void writable() override {}
  Arrivals lines;
};

TEST(ClipboardTest, TextsGoBothWays) {
  const auto clipboard = Clipboard::create().take();
  const auto guest_end = clipboard->take_guest_end();
  Agent agent;
  guest_end->attach(&agent);
  Arrivals on_host;
  clipboard->set_listener([&](const std::string& text) { on_host.add(text); });
  clipboard->copied_on_host("Hi");
  EXPECT_TRUE(agent.lines.comes("SGk=\n"));
  const std::string line = "SG8=\n";
  // SAFETY: characters as bytes.
  guest_end->write({reinterpret_cast<const u8*>(line.data()), line.size()});
  EXPECT_TRUE(on_host.comes("Ho"));
  EXPECT_EQ(clipboard->text(), "Ho");
  guest_end->attach(nullptr);
}

// Its thread has nothing to look at any more, so it can't be woken by that for ever.
TEST(ClipboardTest, ForgetsAGuestThatHasGone) {
  const unsigned before = open_sockets();
  const auto clipboard = Clipboard::create().take();
  auto guest_end = clipboard->take_guest_end();
  clipboard->copied_on_host("for nobody");
  EXPECT_GT(open_sockets(), before);
  guest_end.reset();
  const auto end = std::chrono::steady_clock::now() + kLimit;
  while (open_sockets() > before && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_EQ(open_sockets(), before);
  clipboard->set("kept on the host");
  EXPECT_EQ(clipboard->text(), "kept on the host");
}

}  // namespace
}  // namespace tandem::tests
