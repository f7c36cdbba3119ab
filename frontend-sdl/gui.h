// Gui: Dear ImGui in an SDL window: takes its events, draws by its renderer. All is in pixels of the window.
// Of the window's thread.
#pragma once

#include <SDL.h>
#include <imgui.h>

#include <string>

namespace tandem::frontend {

class Gui {
 public:
  Gui();
  ~Gui();
  Gui(const Gui&) = delete;
  Gui& operator=(const Gui&) = delete;

  // scale: pixels for what is one on an ordinary screen.
  void open(SDL_Renderer* renderer, float scale);
  void close();       // before the renderer goes
  void show_focus();  // somebody works with keys: what they are for is seen
  void pointer_moved(float x, float y);
  void handle(const SDL_Event& event);  // buttons, the wheel, texts
  void handle_key(const SDL_KeyboardEvent& event);
  bool wants_pointer() const { return io().WantCaptureMouse; }  // as of the last frame
  bool wants_keys() const;                                      // a menu or a dialog is open

  int bar_height() const;  // of a menu bar

  void begin_frame(int width, int height);
  void end_frame();  // draws what was said since

 private:
  ImGuiIO& io() const;
  void add_font(float scale);
  void draw(const ImDrawData& data);

  ImGuiContext* context_;
  SDL_Renderer* renderer_ = nullptr;
  SDL_Texture* font_ = nullptr;
  Uint64 last_frame_ = 0;
  std::string clipboard_;  // a text that ImGui reads
};

}  // namespace tandem::frontend
