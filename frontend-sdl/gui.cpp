#include "frontend-sdl/gui.h"

#include <imgui_internal.h>
#include <unistd.h>

#include <algorithm>

namespace tandem::frontend {

namespace {

constexpr float kFontSize = 14;  // pixels, on an ordinary screen
constexpr const char* kFont = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";

struct Key {
  ImGuiKey gui;
  SDL_Scancode sdl;
};
constexpr Key kKeys[] = {
    {ImGuiKey_Tab, SDL_SCANCODE_TAB},
    {ImGuiKey_LeftArrow, SDL_SCANCODE_LEFT},
    {ImGuiKey_RightArrow, SDL_SCANCODE_RIGHT},
    {ImGuiKey_UpArrow, SDL_SCANCODE_UP},
    {ImGuiKey_DownArrow, SDL_SCANCODE_DOWN},
    {ImGuiKey_PageUp, SDL_SCANCODE_PAGEUP},
    {ImGuiKey_PageDown, SDL_SCANCODE_PAGEDOWN},
    {ImGuiKey_Home, SDL_SCANCODE_HOME},
    {ImGuiKey_End, SDL_SCANCODE_END},
    {ImGuiKey_Insert, SDL_SCANCODE_INSERT},
    {ImGuiKey_Delete, SDL_SCANCODE_DELETE},
    {ImGuiKey_Backspace, SDL_SCANCODE_BACKSPACE},
    {ImGuiKey_Space, SDL_SCANCODE_SPACE},
    {ImGuiKey_Enter, SDL_SCANCODE_RETURN},
    {ImGuiKey_Escape, SDL_SCANCODE_ESCAPE},
    {ImGuiKey_KeyPadEnter, SDL_SCANCODE_KP_ENTER},
    {ImGuiKey_A, SDL_SCANCODE_A},
    {ImGuiKey_C, SDL_SCANCODE_C},
    {ImGuiKey_V, SDL_SCANCODE_V},
    {ImGuiKey_X, SDL_SCANCODE_X},
    {ImGuiKey_Y, SDL_SCANCODE_Y},
    {ImGuiKey_Z, SDL_SCANCODE_Z},
};

void set_style(float scale) {
  ImGui::StyleColorsDark();
  ImGuiStyle& style = ImGui::GetStyle();
  style.WindowRounding = style.PopupRounding = style.FrameRounding = 4;
  style.WindowBorderSize = style.PopupBorderSize = 1;
  style.FramePadding = {6, 4};
  style.ItemSpacing = {10, 6};
  style.WindowPadding = {10, 8};
  style.Colors[ImGuiCol_TextDisabled] = {0.62f, 0.64f, 0.68f, 1};
  style.Colors[ImGuiCol_MenuBarBg] = {0.16f, 0.17f, 0.19f, 1};
  style.Colors[ImGuiCol_PopupBg] = {0.13f, 0.14f, 0.16f, 0.98f};
  style.Colors[ImGuiCol_WindowBg] = {0.13f, 0.14f, 0.16f, 0.94f};
  style.Colors[ImGuiCol_Border] = {0.32f, 0.34f, 0.38f, 0.7f};
  for (const ImGuiCol which : {ImGuiCol_Header, ImGuiCol_HeaderHovered, ImGuiCol_HeaderActive,
                               ImGuiCol_ButtonHovered, ImGuiCol_ButtonActive})
    style.Colors[which] = {0.20f, 0.42f, 0.62f, 1};
  style.Colors[ImGuiCol_ModalWindowDimBg] = {0, 0, 0, 0.5f};
  style.Colors[ImGuiCol_Button] = {0.24f, 0.26f, 0.30f, 1};
  style.Colors[ImGuiCol_FrameBg] = {0.20f, 0.21f, 0.24f, 1};
  style.ScaleAllSizes(scale);
}

}  // namespace

Gui::Gui() : context_(ImGui::CreateContext()) {}

Gui::~Gui() { ImGui::DestroyContext(context_); }

void Gui::close() {
  if (font_) SDL_DestroyTexture(font_);
  font_ = nullptr;
}

ImGuiIO& Gui::io() const {
  ImGui::SetCurrentContext(context_);
  return ImGui::GetIO();
}

void Gui::open(SDL_Renderer* renderer, float scale) {
  renderer_ = renderer;
  ImGuiIO& gui = io();
  gui.IniFilename = nullptr;  // nothing is kept in files
  gui.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
  for (const Key& k : kKeys) gui.KeyMap[k.gui] = k.sdl;
  gui.ClipboardUserData = &clipboard_;
  gui.GetClipboardTextFn = [](void* kept) -> const char* {
    char* const text = SDL_GetClipboardText();
    *static_cast<std::string*>(kept) = text ? text : "";
    SDL_free(text);
    return static_cast<std::string*>(kept)->c_str();
  };
  gui.SetClipboardTextFn = [](void*, const char* text) { SDL_SetClipboardText(text); };
  set_style(scale);
  add_font(scale);
}

void Gui::add_font(float scale) {
  ImFontAtlas& fonts = *io().Fonts;
  const float size = kFontSize * scale;
  if (access(kFont, R_OK) == 0) {
    static constexpr ImWchar kRanges[] = {0x20, 0x24f, 0x2010, 0x2027, 0};  // Latin, dashes and quotes
    fonts.AddFontFromFileTTF(kFont, size, nullptr, kRanges);
  } else {
    ImFontConfig config;
    config.SizePixels = size;
    fonts.AddFontDefault(&config);
  }
  unsigned char* pixels;
  int width, height;
  fonts.GetTexDataAsRGBA32(&pixels, &width, &height);
  font_ = SDL_CreateTexture(renderer_, SDL_PIXELFORMAT_ABGR8888, SDL_TEXTUREACCESS_STATIC, width, height);
  if (!font_) return;
  SDL_UpdateTexture(font_, nullptr, pixels, 4 * width);
  SDL_SetTextureBlendMode(font_, SDL_BLENDMODE_BLEND);
  SDL_SetTextureScaleMode(font_, SDL_ScaleModeLinear);
  fonts.SetTexID(font_);
}

bool Gui::wants_keys() const {
  ImGui::SetCurrentContext(context_);
  return ImGui::IsPopupOpen(nullptr, ImGuiPopupFlags_AnyPopupId | ImGuiPopupFlags_AnyPopupLevel);
}

void Gui::show_focus() {
  context_->NavDisableHighlight = false;
  context_->NavDisableMouseHover = true;
}

void Gui::pointer_moved(float x, float y) { io().MousePos = {x, y}; }

void Gui::handle(const SDL_Event& event) {
  ImGuiIO& gui = io();
  switch (event.type) {
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP: {
      const int button = event.button.button == SDL_BUTTON_RIGHT    ? 1
                         : event.button.button == SDL_BUTTON_MIDDLE ? 2
                                                                    : 0;
      gui.MouseDown[button] = event.type == SDL_MOUSEBUTTONDOWN;
      break;
    }
    case SDL_MOUSEWHEEL: gui.MouseWheel += static_cast<float>(event.wheel.y); break;
    case SDL_TEXTINPUT: gui.AddInputCharactersUTF8(event.text.text); break;
    default: break;
  }
}

void Gui::handle_key(const SDL_KeyboardEvent& event) {
  ImGuiIO& gui = io();
  const SDL_Scancode code = event.keysym.scancode;
  const bool pressed = event.type == SDL_KEYDOWN;
  gui.KeysDown[code] = pressed;
  // ImGui chooses with the space bar; outside of texts, Return does the same.
  if (code == SDL_SCANCODE_RETURN && !(pressed && gui.WantTextInput))
    gui.KeysDown[SDL_SCANCODE_SPACE] = pressed;
  gui.KeyCtrl = event.keysym.mod & KMOD_CTRL;
  gui.KeyShift = event.keysym.mod & KMOD_SHIFT;
  gui.KeyAlt = event.keysym.mod & KMOD_ALT;
}

int Gui::bar_height() const {
  const ImGuiIO& gui = io();
  return static_cast<int>(gui.Fonts->Fonts[0]->FontSize + 2 * ImGui::GetStyle().FramePadding.y);
}

void Gui::begin_frame(int width, int height) {
  ImGuiIO& gui = io();
  gui.DisplaySize = {static_cast<float>(width), static_cast<float>(height)};
  const Uint64 now = SDL_GetPerformanceCounter();
  const double seconds =
      static_cast<double>(now - last_frame_) / static_cast<double>(SDL_GetPerformanceFrequency());
  gui.DeltaTime = static_cast<float>(last_frame_ ? std::clamp(seconds, 0.001, 0.2) : 1.0 / 60);
  last_frame_ = now;
  ImGui::NewFrame();
}

void Gui::end_frame() {
  ImGui::Render();
  draw(*ImGui::GetDrawData());
  if (io().WantTextInput == (SDL_IsTextInputActive() == SDL_TRUE)) return;
  if (io().WantTextInput) SDL_StartTextInput();
  else SDL_StopTextInput();
}

void Gui::draw(const ImDrawData& data) {
  for (int n = 0; n < data.CmdListsCount; ++n) {
    const ImDrawList& list = *data.CmdLists[n];
    for (const ImDrawCmd& command : list.CmdBuffer) {
      const ImVec4& c = command.ClipRect;
      const SDL_Rect clip{static_cast<int>(c.x), static_cast<int>(c.y), static_cast<int>(c.z - c.x),
                          static_cast<int>(c.w - c.y)};
      if (clip.w <= 0 || clip.h <= 0) continue;
      SDL_RenderSetClipRect(renderer_, &clip);
      const ImDrawVert* const vertices = list.VtxBuffer.Data + command.VtxOffset;
      // SAFETY: ImGui packs a colour as red, green, blue, alpha from the lowest byte on, as SDL_Color is.
      const auto* const colors = reinterpret_cast<const SDL_Color*>(&vertices->col);
      SDL_RenderGeometryRaw(renderer_, static_cast<SDL_Texture*>(command.GetTexID()), &vertices->pos.x,
                            sizeof(ImDrawVert), colors, sizeof(ImDrawVert), &vertices->uv.x,
                            sizeof(ImDrawVert), list.VtxBuffer.Size - static_cast<int>(command.VtxOffset),
                            list.IdxBuffer.Data + command.IdxOffset, static_cast<int>(command.ElemCount),
                            sizeof(ImDrawIdx));
    }
  }
  SDL_RenderSetClipRect(renderer_, nullptr);
}

}  // namespace tandem::frontend
