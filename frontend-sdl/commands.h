// Commands: what can be asked of the window by Ctrl+Alt and a letter, and by its menu.
#pragma once

#include "core/base/types.h"

namespace tandem::frontend {

enum class Command : u8 {
  Pause,
  Reset,
  PowerButton,
  NextEngine,
  Screenshot,
  Quit,
  CtrlAltDelete,
  Paste,
  Grab,
  FullScreen,
  NextScaling,
  Statistics,
  Menu,
};

struct CommandInfo {
  Command command;
  char letter;  // with Ctrl+Alt
  const char* label;
};
inline constexpr CommandInfo kCommands[] = {
    {Command::Pause, 'p', "Pause"},
    {Command::Reset, 'r', "Reset"},
    {Command::PowerButton, 'b', "Power button"},
    {Command::NextEngine, 'e', "Next engine"},
    {Command::Screenshot, 's', "Screenshot"},
    {Command::Quit, 'q', "End at once"},
    {Command::CtrlAltDelete, 'd', "Ctrl+Alt+Del"},
    {Command::Paste, 'v', "Type the clipboard"},
    {Command::Grab, 'g', "Take the pointer"},
    {Command::FullScreen, 'f', "Full screen"},
    {Command::NextScaling, 'm', "Next scaling"},
    {Command::Statistics, 'i', "Statistics"},
    {Command::Menu, 'n', "Menu"},
};

}  // namespace tandem::frontend
