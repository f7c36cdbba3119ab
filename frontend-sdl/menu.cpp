#include "frontend-sdl/menu.h"

#include <fmt/format.h>
#include <imgui.h>
#include <linux/input-event-codes.h>

#include <algorithm>
#include <utility>

namespace tandem::frontend {

namespace {

constexpr auto kNoticeTime = std::chrono::seconds(5);
constexpr const char* kEngines[] = {"interp", "jit", "kvm"};

std::string shortcut(char letter) {
  return fmt::format("Ctrl+Alt+{}", static_cast<char>(letter - 'a' + 'A'));
}

// A box that takes no input.
bool begin_box(const char* name, ImVec2 at, ImVec2 pivot) {
  ImGui::SetNextWindowPos(at, ImGuiCond_Always, pivot);
  return ImGui::Begin(name, nullptr,
                      ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoInputs | ImGuiWindowFlags_NoNav |
                          ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoFocusOnAppearing);
}

void row(const char* name, const std::string& value) {
  ImGui::TableNextRow();
  ImGui::TableNextColumn();
  ImGui::TextDisabled("%s", name);
  ImGui::TableNextColumn();
  ImGui::TextUnformatted(value.c_str());
}

}  // namespace

void Menu::tell(std::string text, Clock::time_point now) {
  constexpr std::size_t kMost = 4;
  if (notices_.size() == kMost) notices_.pop_front();
  notices_.push_back({std::move(text), now + kNoticeTime});
}

std::optional<Menu::Clock::time_point> Menu::next_change() const {
  if (notices_.empty()) return std::nullopt;
  return notices_.front().end;
}

void Menu::draw(const Status& status, const WindowState& window, Clock::time_point now) {
  while (!notices_.empty() && notices_.front().end <= now) notices_.pop_front();
  if (window.menu_bar) draw_bar(status, window);
  if (window.statistics) draw_statistics(status, window);
  if (!notices_.empty()) draw_notices();
  if (const auto path = disc_dialog_.draw()) user_.ask({Action::ChangeCd, *path, drive_});
}

void Menu::item(Command command, const char* label, bool checked) {
  const auto* const info = std::ranges::find(kCommands, command, &CommandInfo::command);
  if (ImGui::MenuItem(label ? label : info->label, shortcut(info->letter).c_str(), checked))
    user_.run(command);
}

void Menu::draw_bar(const Status& status, const WindowState& window) {
  if (!ImGui::BeginMainMenuBar()) return;
  if (std::exchange(wants_open_, false)) ImGui::OpenPopup("Machine");
  if (ImGui::BeginMenu("Machine")) {
    machine_menu(status);
    ImGui::EndMenu();
  }
  if (ImGui::BeginMenu("Keys")) {
    keys_menu();
    ImGui::EndMenu();
  }
  if (ImGui::BeginMenu("View")) {
    view_menu(window);
    ImGui::EndMenu();
  }
  ImGui::EndMainMenuBar();
}

void Menu::machine_menu(const Status& status) {
  item(Command::Pause, status.paused ? "Go on" : nullptr);
  item(Command::Reset);
  item(Command::PowerButton);
  ImGui::Separator();
  item(Command::Screenshot);
  drives_menu(status);
  engine_menu(status);
  ImGui::Separator();
  item(Command::Quit);
}

void Menu::drives_menu(const Status& status) {
  for (const auto& [drive, medium] : status.cd_drives) {
    if (!ImGui::BeginMenu(fmt::format("CD in {}", drive).c_str())) continue;
    const std::string name = medium.substr(medium.rfind('/') + 1);
    ImGui::TextDisabled("%s", name.empty() ? "no disc" : name.c_str());
    if (ImGui::MenuItem("Other disc...")) {
      drive_ = drive;
      disc_dialog_.open();
    }
    if (ImGui::MenuItem("Take out", nullptr, false, !medium.empty()))
      user_.ask({Action::ChangeCd, "", drive});
    ImGui::EndMenu();
  }
}

void Menu::engine_menu(const Status& status) {
  if (!ImGui::BeginMenu("Engine")) return;
  for (const char* engine : kEngines)
    if (ImGui::MenuItem(engine, nullptr, status.engine == engine)) user_.ask({Action::Engine, engine, {}});
  ImGui::Separator();
  item(Command::NextEngine);
  ImGui::EndMenu();
}

void Menu::keys_menu() {
  item(Command::CtrlAltDelete);
  struct Chord {
    const char* label;
    std::initializer_list<u16> keys;
  };
  static const Chord kChords[] = {{"Ctrl+Alt+Backspace", {KEY_LEFTCTRL, KEY_LEFTALT, KEY_BACKSPACE}},
                                  {"Ctrl+Alt+F1", {KEY_LEFTCTRL, KEY_LEFTALT, KEY_F1}},
                                  {"Ctrl+Alt+F2", {KEY_LEFTCTRL, KEY_LEFTALT, KEY_F2}},
                                  {"Ctrl+Alt+F7", {KEY_LEFTCTRL, KEY_LEFTALT, KEY_F7}},
                                  {"Alt+Tab", {KEY_LEFTALT, KEY_TAB}},
                                  {"Print", {KEY_SYSRQ}}};
  for (const Chord& c : kChords)
    if (ImGui::MenuItem(c.label)) user_.send_chord(c.keys);
  ImGui::Separator();
  item(Command::Paste);
}

void Menu::view_menu(const WindowState& window) {
  static constexpr std::pair<const char*, Scaling> kScalings[] = {{"As large as it goes", Scaling::Fit},
                                                                  {"Whole pixels", Scaling::Integer},
                                                                  {"Stretched", Scaling::Stretch}};
  for (const auto& [label, scaling] : kScalings)
    if (ImGui::MenuItem(label, nullptr, window.scaling == scaling)) user_.set_scaling(scaling);
  ImGui::Separator();
  item(Command::FullScreen, nullptr, window.full_screen);
  item(Command::Statistics, nullptr, window.statistics);
  item(Command::Grab, window.grabbed ? "Let go of the pointer" : nullptr);
}

void Menu::draw_statistics(const Status& status, const WindowState& window) {
  const float margin = ImGui::GetFontSize();
  const float top = (window.menu_bar ? ImGui::GetFrameHeight() : 0) + margin / 2;
  ImGui::SetNextWindowBgAlpha(0.9f);
  if (begin_box("##statistics", {ImGui::GetIO().DisplaySize.x - margin / 2, top}, {1, 0}) &&
      ImGui::BeginTable("##rows", 2, ImGuiTableFlags_SizingFixedFit)) {
    row("engine", status.engine + (status.paused ? ", paused" : ""));
    row("instructions", fmt::format("{:.0f} million/s", status.million_per_second));
    for (const auto& [tier, share] : status.shares) row(tier.c_str(), fmt::format("{:.1f} %", 100 * share));
    row("pictures", fmt::format("{:.0f} /s", window.pictures_per_second));
    row("size", fmt::format("{} x {}", window.picture_width, window.picture_height));
    ImGui::EndTable();
  }
  ImGui::End();
}

void Menu::draw_notices() {
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowBgAlpha(0.9f);
  if (begin_box("##notices", {screen.x / 2, screen.y - ImGui::GetFontSize()}, {0.5f, 1}))
    for (const Notice& n : notices_) ImGui::TextUnformatted(n.text.c_str());
  ImGui::End();
}

}  // namespace tandem::frontend
