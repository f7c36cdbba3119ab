#include "frontend-sdl/host_window.h"

#include <fmt/format.h>
#include <linux/input-event-codes.h>

#include "frontend-sdl/scancodes.h"

namespace tandem::frontend {

using devices::InputSink;
using devices::PointerButton;

namespace {
constexpr std::size_t kMostWaiting = 32;
constexpr int kFirstWidth = 720, kFirstHeight = 400;  // of text, which guests begin with
}  // namespace

HostWindow::~HostWindow() {
  if (texture_) SDL_DestroyTexture(texture_);
  if (renderer_) SDL_DestroyRenderer(renderer_);
  if (window_) SDL_DestroyWindow(window_);
  SDL_QuitSubSystem(SDL_INIT_VIDEO);
}

std::string HostWindow::open() {
  SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
  SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
  SDL_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
  if (SDL_InitSubSystem(SDL_INIT_VIDEO) != 0) return SDL_GetError();
  window_ = SDL_CreateWindow(name_.c_str(), SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, kFirstWidth,
                             kFirstHeight, SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
  if (!window_) return SDL_GetError();
  renderer_ = SDL_CreateRenderer(window_, -1, 0);
  if (!renderer_) renderer_ = SDL_CreateRenderer(window_, -1, SDL_RENDERER_SOFTWARE);
  if (!renderer_) return SDL_GetError();
  update_title();
  draw();
  return {};
}

bool HostWindow::make_texture(int width, int height) {
  if (texture_) SDL_DestroyTexture(texture_);
  SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, scaling_ == Scaling::Integer ? "nearest" : "linear");
  texture_ = SDL_CreateTexture(renderer_, SDL_PIXELFORMAT_RGB24, SDL_TEXTUREACCESS_STREAMING, width, height);
  width_ = width;
  height_ = height;
  return texture_ != nullptr;
}

void HostWindow::show(const devices::Picture& picture) {
  const int width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
  if (width == 0 || height == 0) return;
  if (width != width_ || height != height_) {
    if (!make_texture(width, height)) return;
    if (!fullscreen_ && !(SDL_GetWindowFlags(window_) & SDL_WINDOW_MAXIMIZED))
      SDL_SetWindowSize(window_, width, height);
  }
  SDL_UpdateTexture(texture_, nullptr, picture.pixels.data(), width * 3);
  draw();
}

Area HostWindow::area() const {
  int width = 1, height = 1;
  SDL_GetRendererOutputSize(renderer_, &width, &height);
  return place(scaling_, std::max(width_, 1), std::max(height_, 1), std::max(width, 1), std::max(height, 1));
}

void HostWindow::draw() {
  SDL_SetRenderDrawColor(renderer_, 0, 0, 0, 255);
  SDL_RenderClear(renderer_);
  if (texture_) {
    const Area a = area();
    const SDL_Rect to{a.x, a.y, a.width, a.height};
    SDL_RenderCopy(renderer_, texture_, nullptr, &to);
  }
  SDL_RenderPresent(renderer_);
}

void HostWindow::set_status(const std::string& status) {
  if (status == status_) return;
  status_ = status;
  update_title();
}

void HostWindow::update_title() {
  std::string title = name_;
  if (!status_.empty()) title += " - " + status_;
  if (grabbed_) title += " - Ctrl+Alt+G lets go of the pointer";
  SDL_SetWindowTitle(window_, title.c_str());
}

void HostWindow::handle_events(int milliseconds) {
  send_waiting_keys();
  SDL_Event event;
  if (!SDL_WaitEventTimeout(&event, milliseconds)) return;
  do handle(event);
  while (SDL_PollEvent(&event));
}

void HostWindow::handle(const SDL_Event& event) {
  switch (event.type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP: handle_key(event.key); break;
    case SDL_MOUSEMOTION: handle_motion(event.motion); break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: handle_button(event.button); break;
    case SDL_MOUSEWHEEL:
      if (grabbed_ || input_.takes_points()) input_.move(0, 0, event.wheel.y);
      break;
    case SDL_WINDOWEVENT:
      if (event.window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
        release_keys();
        grab(false);
      }
      if (event.window.event == SDL_WINDOWEVENT_EXPOSED || event.window.event == SDL_WINDOWEVENT_SIZE_CHANGED)
        draw();
      if (event.window.event == SDL_WINDOWEVENT_CLOSE) act(Action::Close);
      break;
    default: break;
  }
}

void HostWindow::handle_key(const SDL_KeyboardEvent& event) {
  const SDL_Scancode code = event.keysym.scancode;
  const bool pressed = event.type == SDL_KEYDOWN;
  const u16 mods = event.keysym.mod;
  if (pressed && (mods & KMOD_CTRL) && (mods & KMOD_ALT) && handle_hot_key(code)) return;
  const u16 key = linux_key(code);
  if (!key || (!pressed && !pressed_.contains(key))) return;
  if (pressed && waiting_.size() >= kMostWaiting) return;  // a guest that reads no keys
  send_key(key, pressed);
}

// Keys come in their order, and what went down comes up.
void HostWindow::send_key(u16 key, bool pressed) {
  waiting_.emplace_back(key, pressed);
  if (pressed) pressed_.insert(key);
  else pressed_.erase(key);
  send_waiting_keys();
}

void HostWindow::send_waiting_keys() {
  while (!waiting_.empty() && input_.key(waiting_.front().first, waiting_.front().second))
    waiting_.pop_front();
}

// With Ctrl+Alt. The guest has seen those two go down: it sees them come up, too.
bool HostWindow::handle_hot_key(SDL_Scancode code) {
  switch (code) {
    case SDL_SCANCODE_G:
      release_keys();
      grab(!grabbed_);
      return true;
    case SDL_SCANCODE_F:
      release_keys();
      toggle_fullscreen();
      return true;
    case SDL_SCANCODE_M: next_scaling(); return true;
    case SDL_SCANCODE_D:
      for (const bool pressed : {true, false})
        for (const u16 key : {KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE}) send_key(key, pressed);
      release_keys();
      return true;
    case SDL_SCANCODE_P: act(Action::Pause); return true;
    case SDL_SCANCODE_R: act(Action::Reset); return true;
    case SDL_SCANCODE_B: act(Action::PowerButton); return true;
    case SDL_SCANCODE_S: act(Action::Screenshot); return true;
    case SDL_SCANCODE_E: act(Action::SwitchEngine); return true;
    case SDL_SCANCODE_V: act(Action::Paste); return true;
    default: return false;
  }
}

void HostWindow::act(Action action) {
  release_keys();
  std::string text;
  if (action == Action::Paste) {
    char* const clipboard = SDL_GetClipboardText();
    if (clipboard) text = clipboard;
    SDL_free(clipboard);
  }
  callbacks_.act(action, text);
}

void HostWindow::release_keys() {
  while (!pressed_.empty()) send_key(*pressed_.begin(), false);
}

void HostWindow::handle_motion(const SDL_MouseMotionEvent& event) {
  if (!input_.takes_points()) {
    if (grabbed_) input_.move(event.xrel, event.yrel, 0);
    return;
  }
  int window_width = 1, width = 1, window_height = 1, height = 1;
  SDL_GetWindowSize(window_, &window_width, &window_height);
  SDL_GetRendererOutputSize(renderer_, &width, &height);
  const Area a = area();
  const auto scaled = [](int at, int points, int pixels, int start, int size) {
    const i64 in = i64{at} * pixels / std::max(points, 1) - start;
    return static_cast<u32>(
        std::clamp<i64>(in * InputSink::kPointerRange / std::max(size - 1, 1), 0, InputSink::kPointerRange));
  };
  input_.point(scaled(event.x, window_width, width, a.x, a.width),
               scaled(event.y, window_height, height, a.y, a.height));
}

void HostWindow::handle_button(const SDL_MouseButtonEvent& event) {
  const bool pressed = event.type == SDL_MOUSEBUTTONDOWN;
  if (!grabbed_ && !input_.takes_points()) {
    if (pressed) grab(true);
    return;
  }
  switch (event.button) {
    case SDL_BUTTON_LEFT: input_.button(PointerButton::Left, pressed); break;
    case SDL_BUTTON_RIGHT: input_.button(PointerButton::Right, pressed); break;
    case SDL_BUTTON_MIDDLE: input_.button(PointerButton::Middle, pressed); break;
    default: break;
  }
}

void HostWindow::grab(bool on) {
  if (on == grabbed_) return;
  grabbed_ = on;
  SDL_SetRelativeMouseMode(on && !input_.takes_points() ? SDL_TRUE : SDL_FALSE);
  SDL_SetWindowGrab(window_, on ? SDL_TRUE : SDL_FALSE);
  update_title();
}

void HostWindow::toggle_fullscreen() {
  fullscreen_ = !fullscreen_;
  SDL_SetWindowFullscreen(window_, fullscreen_ ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
}

void HostWindow::next_scaling() {
  scaling_ = scaling_ == Scaling::Fit       ? Scaling::Integer
             : scaling_ == Scaling::Integer ? Scaling::Stretch
                                            : Scaling::Fit;
  SDL_SetTextureScaleMode(texture_,
                          scaling_ == Scaling::Integer ? SDL_ScaleModeNearest : SDL_ScaleModeLinear);
  draw();
}

}  // namespace tandem::frontend
