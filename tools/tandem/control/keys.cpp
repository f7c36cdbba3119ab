#include "tools/tandem/control/keys.h"

#include <fmt/format.h>
#include <linux/input-event-codes.h>

#include <optional>

#include "core/base/numbers.h"
#include "core/config/nearest.h"
#include "devices/input/key_codes.h"

namespace tandem::tools {

namespace {

struct NamedKey {
  std::string_view name;
  u16 code;
};
constexpr NamedKey kNames[] = {
    {"esc", KEY_ESC},
    {"tab", KEY_TAB},
    {"ret", KEY_ENTER},
    {"enter", KEY_ENTER},
    {"space", KEY_SPACE},
    {"spc", KEY_SPACE},
    {"backspace", KEY_BACKSPACE},
    {"delete", KEY_DELETE},
    {"del", KEY_DELETE},
    {"insert", KEY_INSERT},
    {"home", KEY_HOME},
    {"end", KEY_END},
    {"pgup", KEY_PAGEUP},
    {"pgdn", KEY_PAGEDOWN},
    {"up", KEY_UP},
    {"down", KEY_DOWN},
    {"left", KEY_LEFT},
    {"right", KEY_RIGHT},
    {"ctrl", KEY_LEFTCTRL},
    {"ctrl_r", KEY_RIGHTCTRL},
    {"shift", KEY_LEFTSHIFT},
    {"shift_r", KEY_RIGHTSHIFT},
    {"alt", KEY_LEFTALT},
    {"alt_r", KEY_RIGHTALT},
    {"meta_l", KEY_LEFTMETA},
    {"meta_r", KEY_RIGHTMETA},
    {"menu", KEY_COMPOSE},
    {"caps_lock", KEY_CAPSLOCK},
    {"num_lock", KEY_NUMLOCK},
    {"scroll_lock", KEY_SCROLLLOCK},
    {"pause", KEY_PAUSE},
    {"print", KEY_SYSRQ},
    {"f1", KEY_F1},
    {"f2", KEY_F2},
    {"f3", KEY_F3},
    {"f4", KEY_F4},
    {"f5", KEY_F5},
    {"f6", KEY_F6},
    {"f7", KEY_F7},
    {"f8", KEY_F8},
    {"f9", KEY_F9},
    {"f10", KEY_F10},
    {"f11", KEY_F11},
    {"f12", KEY_F12},
    {"minus", KEY_MINUS},
    {"kp_enter", KEY_KPENTER},
};

std::optional<Chord> chord_of(char c) {
  const auto key = devices::us_key(c);
  if (!key) return std::nullopt;
  return key->shift ? Chord{KEY_LEFTSHIFT, key->key} : Chord{key->key};
}

// "#30": a key by its code.
std::optional<u16> coded(std::string_view name) {
  u16 code = 0;
  if (!parse_number(name.substr(1), code) || code == 0 || code > KEY_MAX) return std::nullopt;
  return code;
}

Result<Chord> key(std::string_view name) {
  if (name.size() > 1 && name[0] == '#')
    if (const auto code = coded(name)) return Chord{*code};
  if (name.size() == 1)
    if (auto chord = chord_of(name[0])) return *chord;
  std::vector<std::string_view> names;
  for (const NamedKey& k : kNames) {
    if (k.name == name) return Chord{k.code};
    names.push_back(k.name);
  }
  const std::string_view near = config::nearest(name, names);
  return user_error(
      fmt::format("'{}' is no key{}", name, near.empty() ? "" : fmt::format(" (is {} meant?)", near)));
}

}  // namespace

Result<Chord> parse_chord(std::string_view text) {
  Chord all;
  for (;;) {
    // A hyphen that begins a name is one.
    const std::size_t end = text.find('-', 1);
    TANDEM_TRY_ASSIGN(keys, key(text.substr(0, end)));
    all.insert(all.end(), keys.begin(), keys.end());
    if (end == std::string_view::npos) return all;
    text.remove_prefix(end + 1);
  }
}

Result<std::vector<Chord>> chords_of(std::string_view text) {
  std::vector<Chord> all;
  for (const char c : text) {
    auto chord = chord_of(c);
    if (!chord)
      return user_error(fmt::format("a US keyboard does not have the character {:#04x}", static_cast<u8>(c)));
    all.push_back(std::move(*chord));
  }
  return all;
}

}  // namespace tandem::tools
