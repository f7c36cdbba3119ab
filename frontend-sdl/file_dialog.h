// FileDialog: chooses a file, in a modal window of the Gui's.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tandem::frontend {

class FileDialog {
 public:
  // Files whose names end in one of these are listed.
  FileDialog(std::string title, std::vector<std::string> endings)
      : title_(std::move(title)), endings_(std::move(endings)) {}

  void open();
  // In each frame. What was chosen, once.
  std::optional<std::string> draw();

 private:
  struct Entry {
    std::string name;
    bool is_folder;
  };
  void enter(const std::filesystem::path& folder);
  void list();
  std::optional<std::string> choose(const std::string& path);

  std::string title_;
  std::vector<std::string> endings_;
  bool wants_open_ = false;
  std::filesystem::path folder_;
  std::vector<Entry> entries_;
  std::string path_;  // as it is typed
  std::string problem_;
};

}  // namespace tandem::frontend
