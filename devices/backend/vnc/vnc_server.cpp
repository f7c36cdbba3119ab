#include "devices/backend/vnc/vnc_server.h"

#include <poll.h>
#include <rfb/rfb.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/signals.h"
#include "devices/backend/vnc/vnc_extended_keys.h"
#include "devices/backend/vnc/vnc_keyboard.h"
#include "devices/display/picture_mailbox.h"

namespace tandem::devices {

namespace {

constexpr int kFirstWidth = 720, kFirstHeight = 400;
constexpr int kPatience = 5000;              // milliseconds for a viewer that takes nothing
constexpr int kTick = 10, kIdleTick = 1000;  // milliseconds between looks at viewers
constexpr std::size_t kMaxViewers = 16;

// libvncserver names what no screen has: it says everything on standard error.
void say_nothing(const char*, ...) {}

}  // namespace

class VncServer::Impl {
 public:
  Impl(VncConfig config, InputSink& input)
      : config_(std::move(config)),
        input_(input),
        keyboard_(input),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Impl() {
    if (thread_.joinable()) {
      ending_ = true;
      wake();
      thread_.join();
    }
    if (screen_) rfbScreenCleanup(screen_);
    close(config_.listener);
    close(wake_);
  }

  Result<void> start() {
    rfbLog = rfbErr = say_nothing;
    take_extended_keys([](rfbClientPtr c, u32 code, u32 keysym, bool pressed) {
      of(c).keyboard_.scan_code(code, keysym, pressed);
    });
    screen_ = rfbGetScreen(nullptr, nullptr, kFirstWidth, kFirstHeight, 8, 3, 4);
    if (!screen_) return host_error("vnc: out of memory");
    configure();
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void show(const Picture& image, std::span<const Rows> changed) {
    if (pictures_.put(image, changed)) wake();
  }
  void set_clipboard(std::string text) {
    {
      std::lock_guard lock(mutex_);
      clipboard_ = std::move(text);
    }
    wake();
  }

 private:
  static Impl& of(rfbClientPtr client) { return *static_cast<Impl*>(client->screen->screenData); }

  void configure() {
    frame_.resize(u64{kFirstWidth} * kFirstHeight);
    screen_->frameBuffer = reinterpret_cast<char*>(frame_.data());
    screen_->screenData = this;
    screen_->desktopName = config_.name.c_str();
    screen_->alwaysShared = TRUE;
    screen_->deferUpdateTime = screen_->deferPtrUpdateTime = 0;
    screen_->maxClientWait = kPatience;
    screen_->cursor = nullptr;
    if (!config_.password.empty()) {
      passwords_[0] = config_.password.data();
      screen_->authPasswdData = passwords_;
      screen_->passwordCheck = rfbCheckPasswordByList;
    }
    screen_->kbdAddEvent = [](rfbBool down, rfbKeySym keysym, rfbClientPtr c) {
      of(c).keyboard_.keysym(static_cast<u32>(keysym), down);
    };
    screen_->kbdReleaseAllKeys = [](rfbClientPtr c) { of(c).keyboard_.release_all(); };
    screen_->ptrAddEvent = [](int buttons, int x, int y, rfbClientPtr c) { of(c).pointer(buttons, x, y); };
    screen_->setXCutText = [](char* text, int length, rfbClientPtr c) { of(c).copied(text, length, true); };
    screen_->setXCutTextUTF8 = [](char* text, int length, rfbClientPtr c) {
      of(c).copied(text, length, false);
    };
    screen_->setDesktopSizeHook = [](int width, int height, int, rfbExtDesktopScreen*, rfbClientPtr c) {
      const bool can =
          width > 0 && height > 0 && of(c).config_.resized(static_cast<u32>(width), static_cast<u32>(height));
      return can ? rfbExtDesktopSize_Success : rfbExtDesktopSize_ResizeProhibited;
    };
    screen_->newClientHook = [](rfbClientPtr c) {
      c->clientGoneHook = [](rfbClientPtr gone) { of(gone).viewer_gone(); };
      return RFB_CLIENT_ACCEPT;
    };
  }

  void run() {
    block_signals();
    while (!ending_) {
      take_news();
      rfbProcessEvents(screen_, 0);
      keyboard_.send_waiting();
      wait();
    }
  }

  void wait() {
    std::vector<pollfd> fds = {{wake_, POLLIN, 0}, {config_.listener, POLLIN, 0}};
    for (rfbClientPtr c = screen_->clientHead; c; c = c->next) fds.push_back({c->sock, POLLIN, 0});
    const std::size_t viewers = fds.size() - 2;
    if (poll(fds.data(), fds.size(), viewers ? kTick : kIdleTick) <= 0) return;
    u64 count;
    if (fds[0].revents) [[maybe_unused]]
      const ssize_t n = read(wake_, &count, sizeof count);
    if (fds[1].revents) welcome(viewers);
  }

  void welcome(std::size_t viewers) {
    const int fd = accept4(config_.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    if (viewers >= kMaxViewers || fd >= FD_SETSIZE) close(fd);
    else rfbNewClient(screen_, fd);
  }

  void viewer_gone() {
    keyboard_.release_all();
    press(0);
    place_.reset();
  }

  void take_news() {
    pictures_.take([&](const Picture& image, std::span<const Rows> changed) { draw(image, changed); });
    std::optional<std::string> clipboard;
    {
      std::lock_guard lock(mutex_);
      clipboard.swap(clipboard_);
    }
    if (clipboard) send_clipboard(*clipboard);
  }

  void draw(const Picture& image, std::span<const Rows> changed) {
    const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
    if (width != screen_->width || height != screen_->height) {
      std::vector<u32> frame(image.pixels.size());
      rfbNewFramebuffer(screen_, reinterpret_cast<char*>(frame.data()), width, height, 8, 3, 4);
      frame_ = std::move(frame);
    }
    for (const Rows& rows : changed) {
      for (u32 y = rows.first; y < rows.first + rows.count; ++y)
        std::transform(image.row(y), image.row(y) + width, &frame_[u64{y} * image.width],
                       [](Rgb c) { return c.red | u32{c.green} << 8 | u32{c.blue} << 16; });
      rfbMarkRectAsModified(screen_, 0, static_cast<int>(rows.first), width,
                            static_cast<int>(rows.first + rows.count));
    }
  }

  // Without a tablet, the guest's pointer follows the viewer's, from wherever it is.
  void pointer(int buttons, int x, int y) {
    const auto scaled = [](int at, int size) {
      const i64 range = InputSink::kPointerRange;
      return static_cast<u32>(std::clamp<i64>(at * range / std::max(size - 1, 1), 0, range));
    };
    if (input_.takes_points()) input_.point(scaled(x, screen_->width), scaled(y, screen_->height));
    else if (place_ && place_ != std::pair(x, y)) input_.move(x - place_->first, y - place_->second, 0);
    place_ = {x, y};
    press(buttons);
  }

  void press(int buttons) {
    static constexpr std::pair<int, PointerButton> kButtons[] = {{rfbButton1Mask, PointerButton::Left},
                                                                 {rfbButton2Mask, PointerButton::Middle},
                                                                 {rfbButton3Mask, PointerButton::Right}};
    for (const auto& [mask, button] : kButtons)
      if ((buttons ^ buttons_) & mask) input_.button(button, buttons & mask);
    const int down = buttons & ~buttons_;
    if (down & rfbWheelUpMask) input_.move(0, 0, 1);
    if (down & rfbWheelDownMask) input_.move(0, 0, -1);
    buttons_ = buttons;
  }

  void copied(const char* text, int length, bool latin1) {
    const std::string said(text, static_cast<std::size_t>(std::max(length, 0)));
    if (!latin1) return config_.clipboard(said.substr(0, said.find('\0')));
    std::string utf8;
    for (const char c : said) {
      const u8 byte = static_cast<u8>(c);
      if (byte < 0x80) utf8 += c;
      else utf8 += {static_cast<char>(0xc0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3f))};
    }
    config_.clipboard(std::move(utf8));
  }

  void send_clipboard(const std::string& utf8) {
    std::string text = utf8, latin1;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
      const u8 byte = static_cast<u8>(utf8[i]);
      if (byte < 0x80) {
        latin1 += utf8[i];
      } else if (byte >= 0xc0) {  // the first of several
        const bool fits = (byte & 0xfc) == 0xc0 && i + 1 < utf8.size();
        latin1 += fits ? static_cast<char>((byte & 3) << 6 | (utf8[i + 1] & 0x3f)) : '?';
      }
    }
    rfbSendServerCutTextUTF8(screen_, text.data(), static_cast<int>(text.size()), latin1.data(),
                             static_cast<int>(latin1.size()));
  }

  void wake() {
    const u64 one = 1;
    [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof one);
  }

  VncConfig config_;
  InputSink& input_;
  VncKeyboard keyboard_;                      // of the thread, as what follows
  std::optional<std::pair<int, int>> place_;  // of a viewer's pointer
  int buttons_ = 0;
  rfbScreenInfoPtr screen_ = nullptr;
  std::vector<u32> frame_;
  char* passwords_[2] = {};
  int wake_;
  std::atomic<bool> ending_ = false;
  PictureMailbox pictures_;
  std::mutex mutex_;
  std::optional<std::string> clipboard_;  // with mutex_: on its way to the viewers
  std::thread thread_;
};

Result<std::unique_ptr<VncServer>> VncServer::start(VncConfig config, InputSink& input) {
  auto impl = std::make_unique<Impl>(std::move(config), input);
  TANDEM_TRY(impl->start());
  return std::unique_ptr<VncServer>(new VncServer(std::move(impl)));
}

VncServer::VncServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VncServer::~VncServer() = default;

Result<void> VncServer::show(const Picture& image, std::span<const Rows> changed) {
  return impl_->show(image, changed), Result<void>();
}
void VncServer::set_clipboard(std::string text) { impl_->set_clipboard(std::move(text)); }

}  // namespace tandem::devices
