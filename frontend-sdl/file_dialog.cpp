#include "frontend-sdl/file_dialog.h"

#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <utility>

namespace tandem::frontend {

namespace fs = std::filesystem;

namespace {

bool ends_as_one_of(std::string name, const std::vector<std::string>& endings) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  return std::ranges::any_of(endings, [&](const std::string& e) { return name.ends_with(e); });
}

}  // namespace

void FileDialog::open() {
  wants_open_ = true;
  std::error_code error;
  enter(folder_.empty() ? fs::current_path(error) : folder_);
}

void FileDialog::enter(const fs::path& folder) {
  folder_ = folder.lexically_normal();
  path_ = (folder_ / "").string();
  problem_.clear();
  list();
}

void FileDialog::list() {
  entries_.clear();
  std::error_code error;
  for (fs::directory_iterator at(folder_, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::error_code unknown;
    const bool is_folder = at->is_directory(unknown);
    if (!name.starts_with('.') && (is_folder || ends_as_one_of(name, endings_)))
      entries_.push_back({name, is_folder});
  }
  if (error) problem_ = error.message();
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    return a.is_folder != b.is_folder ? a.is_folder : a.name < b.name;
  });
}

std::optional<std::string> FileDialog::choose(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return enter(path), std::nullopt;
  if (!fs::is_regular_file(path, error)) return problem_ = "there is no such file", std::nullopt;
  ImGui::CloseCurrentPopup();
  return path;
}

std::optional<std::string> FileDialog::draw() {
  if (std::exchange(wants_open_, false)) ImGui::OpenPopup(title_.c_str());
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos({screen.x / 2, screen.y / 2}, ImGuiCond_Always, {0.5f, 0.5f});
  ImGui::SetNextWindowSize({screen.x * 0.8f, screen.y * 0.8f});
  if (!ImGui::BeginPopupModal(title_.c_str(), nullptr, ImGuiWindowFlags_NoResize | ImGuiWindowFlags_NoMove))
    return {};
  std::optional<std::string> chosen;
  ImGui::SetNextItemWidth(-1);
  if (ImGui::IsWindowAppearing()) ImGui::SetKeyboardFocusHere();
  if (ImGui::InputText("##path", &path_, ImGuiInputTextFlags_EnterReturnsTrue)) chosen = choose(path_);
  std::optional<fs::path> clicked;
  ImGui::BeginChild("##files", {0, -ImGui::GetFrameHeightWithSpacing() - ImGui::GetStyle().ItemSpacing.y},
                    true);
  if (folder_.has_parent_path() && ImGui::Selectable("../")) clicked = folder_.parent_path();
  for (const Entry& e : entries_)
    if (ImGui::Selectable((e.name + (e.is_folder ? "/" : "")).c_str())) clicked = folder_ / e.name;
  ImGui::EndChild();
  if (clicked) chosen = choose(clicked->string());
  if (ImGui::Button("Open")) chosen = choose(path_);
  ImGui::SameLine();
  if (ImGui::Button("Cancel") || ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape)))
    ImGui::CloseCurrentPopup();
  if (!problem_.empty()) {
    ImGui::SameLine();
    ImGui::TextUnformatted(problem_.c_str());
  }
  ImGui::EndPopup();
  return chosen;
}

}  // namespace tandem::frontend
