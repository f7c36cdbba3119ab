#include "tools/tandem/control/verbs.h"

#include <fmt/format.h>

#include "core/config/nearest.h"

namespace tandem::tools {

Result<Json> Verbs::answer(std::string_view line) const {
  const Json request = Json::parse(line, nullptr, false);
  if (!request.is_object()) return user_error("a request is one JSON object on one line");
  TANDEM_TRY_ASSIGN(name, text_of(request, "do"));
  const auto found = verbs_.find(name);
  if (found != verbs_.end()) return found->second(request);
  std::vector<std::string_view> names;
  for (const auto& [known, verb] : verbs_) names.push_back(known);
  const std::string_view near = config::nearest(name, names);
  return user_error(fmt::format("{}: this guest does not take it{}", name,
                                near.empty() ? "" : fmt::format(" (is {} meant?)", near)));
}

Json Verbs::execute(std::string_view line) const {
  auto result = answer(line);
  if (!result) return {{"ok", false}, {"error", result.error().message}};
  Json reply = result.take();
  reply["ok"] = true;
  return reply;
}

Result<std::string> text_of(const Json& request, const char* key) {
  const auto member = request.find(key);
  if (member == request.end() || !member->is_string())
    return user_error(fmt::format("\"{}\": a text is needed", key));
  return member->get<std::string>();
}

// A shell gives numbers as texts.
Result<i64> number_of(const Json& request, const char* key) {
  const auto member = request.find(key);
  if (member != request.end() && member->is_number_integer()) return member->get<i64>();
  if (member != request.end() && member->is_string()) {
    const std::string text = member->get<std::string>();
    char* end = nullptr;
    const i64 n = std::strtoll(text.c_str(), &end, 0);
    if (!text.empty() && !*end) return n;
  }
  return user_error(fmt::format("\"{}\": a number is needed", key));
}

Result<std::vector<std::string>> texts_of(const Json& request, const char* key) {
  const auto member = request.find(key);
  std::vector<std::string> all;
  bool good = member != request.end() && member->is_array();
  for (std::size_t i = 0; good && i < member->size(); ++i) {
    good = (*member)[i].is_string();
    if (good) all.push_back((*member)[i].get<std::string>());
  }
  if (!good) return user_error(fmt::format("\"{}\": a list of texts is needed", key));
  return all;
}

const std::vector<VerbUsage>& verb_usages() {
  static const std::vector<VerbUsage> usages = {
      {"status", {}, "name, state, engine, vCPUs, memory"},
      {"pause", {}, "all vCPUs and guest time stand still"},
      {"resume", {}, "they go on"},
      {"reset", {}, "the reset button"},
      {"poweroff", {}, "the power button (ACPI)"},
      {"quit", {}, "ends the guest at once"},
      {"engine", {"to?"}, "says which engine runs it, or switches to interp, jit, kvm"},
      {"screenshot", {"to"}, "writes the display to a PNG file"},
      {"send-keys", {"keys..."}, "presses keys: a ret ctrl-alt-delete shift-f1 #89 (Linux' code)"},
      {"send-text", {"text..."}, "types a text, on a US keyboard"},
      {"mouse",
       {"action", "values..."},
       "move DX DY [WHEEL] | point X Y | press, release, click left|right|middle"},
      {"stats", {}, "counters as JSON"},
      {"gdb", {"at?"}, "[HOST:]PORT or unix:PATH: waits there for a debugger; off ends that"},
      {"monitor", {"line..."}, "what a debugger's monitor says: help, info registers, x/10i $pc"},
      {"net-forward", {"forward"}, "tcp:127.0.0.1:2222-:22"},
      {"display-size", {"width", "height"}, "pixels that the guest's display is to have (vga=virtio)"},
      {"balloon", {"memory"}, "MiB that the guest has to give up in all"},
      {"cd-change", {"unit", "target?"}, "hdc FILE; without FILE the tray is empty"},
      {"clipboard", {"text?"}, "says what was copied last, or copies a text, for guest and host"},
      {"nmi", {}, "an NMI to every vCPU"},
  };
  return usages;
}

}  // namespace tandem::tools
