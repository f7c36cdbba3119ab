#include "tools/tandem/control/input_verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tools/tandem/control/keys.h"

namespace tandem::tools {

using devices::InputSink;
using devices::PointerButton;

namespace {

// So fast a guest's programs read keys; firmware has a buffer of 15.
constexpr auto kKeyTime = std::chrono::milliseconds(15), kPatience = std::chrono::milliseconds(3000);

Result<void> press(InputSink& input, u16 code, bool pressed) {
  for (auto waited = kKeyTime; !input.key(code, pressed); waited += kKeyTime) {
    if (waited > kPatience) return user_error("the guest takes no keys");
    std::this_thread::sleep_for(kKeyTime);
  }
  return {};
}

Result<void> type(InputSink& input, const Chord& chord) {
  for (const u16 code : chord) TANDEM_TRY(press(input, code, true));
  for (auto code = chord.rbegin(); code != chord.rend(); ++code) TANDEM_TRY(press(input, *code, false));
  std::this_thread::sleep_for(kKeyTime);
  return {};
}

Result<Json> type_all(InputSink& input, const std::vector<Chord>& chords) {
  for (const Chord& chord : chords) TANDEM_TRY(type(input, chord));
  return Json::object();
}

Result<Json> send_keys(InputSink& input, const Json& request) {
  TANDEM_TRY_ASSIGN(names, texts_of(request, "keys"));
  std::vector<Chord> chords;
  for (const std::string& name : names) {
    TANDEM_TRY_ASSIGN(chord, parse_chord(name));
    chords.push_back(std::move(chord));
  }
  return type_all(input, chords);
}

// From a shell, words come as a list.
Result<Json> send_text(InputSink& input, const Json& request) {
  std::string text;
  if (request.contains("text") && request["text"].is_string()) {
    text = request["text"].get<std::string>();
  } else {
    TANDEM_TRY_ASSIGN(words, texts_of(request, "text"));
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  }
  TANDEM_TRY_ASSIGN(chords, chords_of(text));
  return type_all(input, chords);
}

Result<i32> number(const std::string& text) {
  constexpr i64 kFar = 1'000'000;
  TANDEM_TRY_ASSIGN(n, number_of(Json{{"value", text}}, "value"));
  if (n < -kFar || n > kFar) return user_error(fmt::format("mouse: {}: too far", text));
  return static_cast<i32>(n);
}

Result<PointerButton> button(const std::string& name) {
  if (name == "left") return PointerButton::Left;
  if (name == "right") return PointerButton::Right;
  if (name == "middle") return PointerButton::Middle;
  return user_error(fmt::format("mouse: '{}' is none of left, right, middle", name));
}

Result<Json> point(InputSink& input, const std::vector<i32>& at) {
  if (!input.takes_points()) return user_error("mouse: the guest has no tablet");
  const auto clamp = [](i32 v) { return static_cast<u32>(std::clamp<i32>(v, 0, InputSink::kPointerRange)); };
  input.point(clamp(at[0]), clamp(at[1]));
  return Json::object();
}

Result<Json> mouse(InputSink& input, const Json& request) {
  TANDEM_TRY_ASSIGN(action, text_of(request, "action"));
  TANDEM_TRY_ASSIGN(values, texts_of(request, "values"));
  if ((action == "press" || action == "release" || action == "click") && values.size() == 1) {
    TANDEM_TRY_ASSIGN(which, button(values[0]));
    if (action != "release") input.button(which, true);
    if (action == "click") std::this_thread::sleep_for(kKeyTime);
    if (action != "press") input.button(which, false);
    return Json::object();
  }
  std::vector<i32> numbers;
  for (const std::string& v : values) {
    TANDEM_TRY_ASSIGN(n, number(v));
    numbers.push_back(n);
  }
  if (action == "point" && numbers.size() == 2) return point(input, numbers);
  if (action == "move" && (numbers.size() == 2 || numbers.size() == 3)) {
    input.move(numbers[0], numbers[1], numbers.size() == 3 ? numbers[2] : 0);
    return Json::object();
  }
  return user_error("mouse: move DX DY [WHEEL] | point X Y | press, release, click left|right|middle");
}

}  // namespace

void add_input_verbs(Verbs& verbs, InputSink& input) {
  verbs.add("send-keys", [&input](const Json& request) { return send_keys(input, request); });
  verbs.add("send-text", [&input](const Json& request) { return send_text(input, request); });
  verbs.add("mouse", [&input](const Json& request) { return mouse(input, request); });
}

}  // namespace tandem::tools
