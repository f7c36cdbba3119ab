// What the user does: events, commands, the clipboard.
#include <linux/input-event-codes.h>

#include <algorithm>

#include "frontend-sdl/host_window.h"
#include "frontend-sdl/scancodes.h"

namespace tandem::frontend {

namespace {

// The letter that is printed on the key, or, where that is none, the one at its place on a US keyboard.
char letter_of(const SDL_Keysym& key) {
  if (key.sym >= 'a' && key.sym <= 'z') return static_cast<char>(key.sym);
  const int place = key.scancode - SDL_SCANCODE_A;
  return key.sym > 0x7f && place >= 0 && place < 26 ? static_cast<char>('a' + place) : 0;
}

// AltGr is another key: it makes characters.
bool is_hot(Uint16 mods) { return (mods & KMOD_CTRL) && (mods & KMOD_LALT); }

}  // namespace

void HostWindow::handle(const SDL_Event& event) {
  switch (event.type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP: return handle_key(event.key);
    case SDL_TEXTINPUT: return gui_.handle(event), redraw_soon();
    case SDL_MOUSEMOTION: return handle_motion(event.motion);
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: return handle_button(event);
    case SDL_MOUSEWHEEL:
      if (!gui_.wants_pointer() || pointer_.grabbed()) return pointer_.wheel(event.wheel);
      return gui_.handle(event), redraw_soon();
    case SDL_WINDOWEVENT: return handle_window(event.window);
    case SDL_CLIPBOARDUPDATE: return host_clipboard_changed();
    case SDL_DROPFILE:
      if (!status_.cd_drives.empty()) ask({Action::ChangeCd, event.drop.file, status_.cd_drives[0].first});
      return SDL_free(event.drop.file);
    default: return;
  }
}

void HostWindow::handle_window(const SDL_WindowEvent& event) {
  switch (event.event) {
    case SDL_WINDOWEVENT_FOCUS_LOST: return focus_lost();
    case SDL_WINDOWEVENT_FOCUS_GAINED: return host_clipboard_changed();
    case SDL_WINDOWEVENT_RESIZED: return resized();
    case SDL_WINDOWEVENT_MOVED: return moved();
    case SDL_WINDOWEVENT_SIZE_CHANGED: return moved(), redraw_soon();
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_LEAVE: return redraw_soon();
    case SDL_WINDOWEVENT_CLOSE: return ask({Action::Close});
    default: return;
  }
}

void HostWindow::focus_lost() {
  keyboard_.release_all();
  grab(false);
}

void HostWindow::resized() {
  WindowSize size;
  SDL_GetWindowSize(window_, &size.width, &size.height);
  size_choice_.changed(size, SizeChoice::Clock::now());
  redraw_soon();
}

void HostWindow::tell_size() {
  int width = 0, height = 0;
  SDL_GetRendererOutputSize(renderer_, &width, &height);
  const int top = state_.full_screen ? 0 : bar_height_;
  const auto wanted = [&](int pixels) {
    return static_cast<u32>(std::max(1.0f, static_cast<float>(pixels) / scale_));
  };
  callbacks_.resized(wanted(width), wanted(height - top));
}

void HostWindow::handle_key(const SDL_KeyboardEvent& event) {
  const bool pressed = event.type == SDL_KEYDOWN;
  if (pressed && is_hot(event.keysym.mod)) {
    const char letter = letter_of(event.keysym);
    const auto* const found = std::ranges::find(kCommands, letter, &CommandInfo::letter);
    if (letter && found != std::end(kCommands)) {
      // The guest has seen Ctrl and Alt go down: it sees them come up, too.
      keyboard_.release_all();
      if (!event.repeat) run(found->command);
      return;
    }
  }
  const bool for_gui = gui_.wants_keys();
  if (for_gui || !pressed) gui_.handle_key(event);  // what closed a menu comes up behind it
  if (for_gui) draw(), redraw_soon();
  const u16 key = linux_key(event.keysym.scancode);
  if (!key) return;
  if (!pressed) keyboard_.release(key);
  else if (!for_gui) keyboard_.press(key);
}

void HostWindow::handle_motion(const SDL_MouseMotionEvent& event) {
  const int x = static_cast<int>(static_cast<float>(event.x) * pixel_ratio_);
  const int y = static_cast<int>(static_cast<float>(event.y) * pixel_ratio_);
  const Area picture = area();
  if (!pointer_.grabbed() && !pointer_.holds_button()) {
    const bool over_picture = !gui_.wants_pointer() && x >= picture.x && x < picture.x + picture.width &&
                              y >= picture.y && y < picture.y + picture.height;
    pointer_.show_host_pointer(over_picture);
    gui_.pointer_moved(static_cast<float>(x), static_cast<float>(y));
    if (y < 2 * bar_height_ || gui_.wants_pointer()) redraw_soon();
  }
  if (!gui_.wants_keys()) pointer_.moved(x, y, event.xrel, event.yrel, picture);
}

// A button belongs, until it comes up, to whom it went down on.
void HostWindow::handle_button(const SDL_Event& event) {
  const bool pressed = event.type == SDL_MOUSEBUTTONDOWN;
  if (!pointer_.grabbed() && !pointer_.holds_button()) {
    if (pressed) {
      const float x = static_cast<float>(event.button.x), y = static_cast<float>(event.button.y);
      gui_.pointer_moved(x * pixel_ratio_, y * pixel_ratio_);
      draw();
    }
    if (pressed ? gui_.wants_pointer() || gui_.wants_keys() : gui_has_button_) {
      gui_has_button_ = pressed;
      gui_.handle(event);
      return draw(), redraw_soon();
    }
  }
  pointer_.button(event.button);
  update_title();
}

void HostWindow::grab(bool on) {
  pointer_.grab(on);
  update_title();
  redraw_soon();
}

void HostWindow::run(Command command) {
  switch (command) {
    case Command::Pause: return ask({Action::Pause});
    case Command::Reset: return ask({Action::Reset});
    case Command::PowerButton: return ask({Action::PowerButton});
    case Command::NextEngine: return ask({Action::Engine});
    case Command::Screenshot: return ask({Action::Screenshot});
    case Command::Quit: return ask({Action::Quit});
    case Command::CtrlAltDelete: return send_chord({KEY_LEFTCTRL, KEY_LEFTALT, KEY_DELETE});
    case Command::Paste: return paste();
    case Command::Grab: return grab(!pointer_.grabbed());
    case Command::FullScreen: return toggle_full_screen();
    case Command::NextScaling:
      return set_scaling(state_.scaling == Scaling::Fit       ? Scaling::Integer
                         : state_.scaling == Scaling::Integer ? Scaling::Stretch
                                                              : Scaling::Fit);
    case Command::Statistics: state_.statistics = !state_.statistics; return redraw_soon();
    case Command::Menu:
      grab(false);
      menu_called_ = true;
      menu_.open();
      gui_.show_focus();
      return redraw_soon();
  }
}

void HostWindow::ask(Request request) {
  keyboard_.release_all();
  callbacks_.act(std::move(request));
}

void HostWindow::set_scaling(Scaling scaling) {
  state_.scaling = scaling;
  redraw_soon();
}

void HostWindow::send_chord(std::initializer_list<u16> keys) {
  for (const u16 key : keys) keyboard_.press(key);
  keyboard_.release_all();
}

void HostWindow::toggle_full_screen() {
  state_.full_screen = !state_.full_screen;
  SDL_SetWindowFullscreen(window_, state_.full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
  if (state_.full_screen) tell("Ctrl+Alt+F leaves the full screen, Ctrl+Alt+N opens the menu");
  redraw_soon();
}

void HostWindow::paste() {
  char* const text = SDL_GetClipboardText();
  if (text && *text) ask({Action::Paste, text});
  SDL_free(text);
}

void HostWindow::host_clipboard_changed() {
  if (!callbacks_.clipboard) return;
  char* const text = SDL_GetClipboardText();
  if (text && text != clipboard_) callbacks_.clipboard(clipboard_ = text);
  SDL_free(text);
}

}  // namespace tandem::frontend
