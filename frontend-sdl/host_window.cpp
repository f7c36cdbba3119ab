// The window's picture and what is said to it from outside; host_window_events.cpp has what the user does.
#include "frontend-sdl/host_window.h"

#include <algorithm>

#include "frontend-sdl/screen_scale.h"

namespace tandem::frontend {

namespace {

constexpr int kFirstWidth = 720, kFirstHeight = 400;  // of text, which guests begin with
// Of a window; pictures may be smaller, of a reset adapter's 9 x 1.
constexpr int kLeastWidth = 320, kLeastHeight = 200;
constexpr unsigned kFramesToSettle = 3;  // until a menu has taken in what happened

}  // namespace

HostWindow::~HostWindow() {
  if (texture_) SDL_DestroyTexture(texture_);
  gui_.close();
  if (renderer_) SDL_DestroyRenderer(renderer_);
  if (window_) SDL_DestroyWindow(window_);
  SDL_QuitSubSystem(SDL_INIT_VIDEO);
}

std::string HostWindow::open() {
  SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
  SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
  SDL_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
  SDL_SetHint(SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0");
  if (SDL_InitSubSystem(SDL_INIT_VIDEO) != 0) return SDL_GetError();
  // The renderer may have to make the window anew.
  window_ =
      SDL_CreateWindow(name_.c_str(), SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, kFirstWidth,
                       kFirstHeight, SDL_WINDOW_HIDDEN | SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
  if (!window_) return SDL_GetError();
  size_choice_.asked({kFirstWidth, kFirstHeight});
  renderer_ = SDL_CreateRenderer(window_, -1, 0);
  if (!renderer_) renderer_ = SDL_CreateRenderer(window_, -1, SDL_RENDERER_SOFTWARE);
  if (!renderer_) return SDL_GetError();
  SDL_ShowWindow(window_);
  int points = 1, pixels = 1;
  SDL_GetWindowSize(window_, &points, nullptr);
  SDL_GetRendererOutputSize(renderer_, &pixels, nullptr);
  pixel_ratio_ = static_cast<float>(pixels) / static_cast<float>(points);
  scale_ = screen_scale(window_, pixel_ratio_);
  SDL_SetWindowMinimumSize(window_, kLeastWidth, kLeastHeight);
  SDL_StopTextInput();  // else an input method would eat keys that are the guest's
  gui_.open(renderer_, scale_);
  pointer_.open(window_);
  bar_height_ = gui_.bar_height();
  state_.picture_width = kFirstWidth;
  state_.picture_height = kFirstHeight;
  fit_window();
  SDL_SetWindowPosition(window_, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED);
  update_title();
  redraw_soon();
  return {};
}

bool HostWindow::make_texture(int width, int height) {
  if (texture_) SDL_DestroyTexture(texture_);
  texture_ = SDL_CreateTexture(renderer_, SDL_PIXELFORMAT_RGB24, SDL_TEXTUREACCESS_STREAMING, width, height);
  state_.picture_width = width;
  state_.picture_height = height;
  return texture_ != nullptr;
}

HostWindow::Surroundings HostWindow::surroundings() const {
  Surroundings s{};
  SDL_GetDisplayUsableBounds(std::max(SDL_GetWindowDisplayIndex(window_), 0), &s.room);
  SDL_GetWindowBordersSize(window_, &s.frame.y, &s.frame.x, &s.frame.h, &s.frame.w);
  return s;
}

// As large as the picture is, in pixels of an ordinary screen, and as there is room for.
void HostWindow::fit_window() {
  if (state_.full_screen || (SDL_GetWindowFlags(window_) & SDL_WINDOW_MAXIMIZED)) return;
  if (state_.picture_width < kLeastWidth && state_.picture_height < kLeastHeight) return;
  const float points = scale_ / pixel_ratio_, bar = static_cast<float>(bar_height_) / pixel_ratio_;
  float width = static_cast<float>(state_.picture_width) * points;
  float height = static_cast<float>(state_.picture_height) * points;
  const auto [room, frame] = surroundings();
  const float most_width = static_cast<float>(room.w - frame.x - frame.w);
  const float most_height = static_cast<float>(room.h - frame.y - frame.h) - bar;
  const float shrink = std::min({1.0f, most_width / width, most_height / height});
  const int w = static_cast<int>(width * shrink), h = static_cast<int>(height * shrink + bar);
  size_choice_.asked({w, h});
  SDL_SetWindowSize(window_, w, h);
  fitted_at_ = SizeChoice::Clock::now();
  keep_on_screen();
}

// A window manager on a busy host says late where it has put the window: until then its place is not known.
void HostWindow::moved() {
  constexpr auto kManagerTakes = std::chrono::seconds(3);
  if (SizeChoice::Clock::now() - fitted_at_ <= kManagerTakes) keep_on_screen();
}

void HostWindow::keep_on_screen() {
  const auto [room, frame] = surroundings();
  int x = 0, y = 0, w = 0, h = 0;
  SDL_GetWindowPosition(window_, &x, &y);
  SDL_GetWindowSize(window_, &w, &h);
  const int right = room.x + room.w - frame.w - w, bottom = room.y + room.h - frame.h - h;
  if (x > right || y > bottom) SDL_SetWindowPosition(window_, std::min(x, right), std::min(y, bottom));
}

void HostWindow::show(const devices::Picture& image, std::span<const devices::Rows> changed) {
  const int width = static_cast<int>(image.width), height = static_cast<int>(image.height);
  if (width == 0 || height == 0) return;
  const devices::Rows all{0, image.height};
  if (!texture_ || width != state_.picture_width || height != state_.picture_height) {
    if (!make_texture(width, height)) return;
    if (!size_choice_.is_recent(SizeChoice::Clock::now())) fit_window();
    changed = {&all, 1};
  }
  for (const devices::Rows& rows : changed) {
    const SDL_Rect to{0, static_cast<int>(rows.first), width, static_cast<int>(rows.count)};
    SDL_UpdateTexture(texture_, &to, image.row(rows.first), width * 3);
  }
  frame_rate_.count(FrameRate::Clock::now());
  frames_due_ = std::max(frames_due_, 1u);
}

Area HostWindow::area() const {
  int width = 1, height = 1;
  SDL_GetRendererOutputSize(renderer_, &width, &height);
  const int top = state_.full_screen ? 0 : bar_height_;
  Area a = place(state_.scaling, std::max(state_.picture_width, 1), std::max(state_.picture_height, 1),
                 std::max(width, 1), std::max(height - top, 1));
  a.y += top;
  return a;
}

void HostWindow::draw() {
  const auto now = Menu::Clock::now();
  int width = 1, height = 1;
  SDL_GetRendererOutputSize(renderer_, &width, &height);
  SDL_SetRenderDrawColor(renderer_, 0, 0, 0, 255);
  SDL_RenderClear(renderer_);
  gui_.begin_frame(width, height);
  if (texture_) {
    const Area a = area();
    const SDL_Rect to{a.x, a.y, a.width, a.height};
    // Pixels stay sharp where each becomes so many whole ones.
    const bool whole = a.width % state_.picture_width == 0 && a.height % state_.picture_height == 0;
    SDL_SetTextureScaleMode(texture_, whole ? SDL_ScaleModeNearest : SDL_ScaleModeLinear);
    SDL_RenderCopy(renderer_, texture_, nullptr, &to);
  }
  state_.menu_bar = !state_.full_screen || menu_called_;
  state_.grabbed = pointer_.grabbed();
  state_.pictures_per_second = frame_rate_.per_second(now);
  menu_.draw(status_, state_, now);
  gui_.end_frame();
  SDL_RenderPresent(renderer_);
  if (frames_due_) --frames_due_;
  else menu_called_ &= gui_.wants_keys();
}

void HostWindow::redraw_soon() { frames_due_ = kFramesToSettle; }

void HostWindow::set_status(Status status) {
  status_ = std::move(status);
  update_title();
  if (state_.statistics) redraw_soon();
}

void HostWindow::tell(std::string text) {
  menu_.tell(std::move(text), Menu::Clock::now());
  redraw_soon();
}

void HostWindow::update_title() {
  std::string title = name_;
  if (!status_.engine.empty()) title += " - " + status_.engine;
  if (status_.paused) title += ", paused";
  if (pointer_.grabbed()) title += " - Ctrl+Alt+G lets go of the pointer";
  if (title == title_) return;
  title_ = title;
  SDL_SetWindowTitle(window_, title.c_str());
}

void HostWindow::set_clipboard(const std::string& text) {
  clipboard_ = text;
  SDL_SetClipboardText(text.c_str());
}

void HostWindow::work(int milliseconds) {
  const auto now = Menu::Clock::now();
  if (const auto change = menu_.next_change(); change && *change <= now) redraw_soon();
  if (frames_due_) draw();
  keyboard_.send_waiting();
  if (size_choice_.has_settled(SizeChoice::Clock::now())) tell_size();
  SDL_Event event;
  if (!SDL_WaitEventTimeout(&event, frames_due_ ? 0 : milliseconds)) return;
  do handle(event);
  while (SDL_PollEvent(&event));
}

void HostWindow::wake() {
  SDL_Event event{};
  event.type = SDL_USEREVENT;
  SDL_PushEvent(&event);
}

}  // namespace tandem::frontend
