// tandem ctl: says one verb to a running guest, and what it answers.
#include <fmt/format.h>

#include <filesystem>

#include "core/config/nearest.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/control/paths.h"
#include "tools/tandem/control/server.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

void print_usage() {
  fmt::print("tandem ctl NAME VERB [ARGUMENTS]   NAME: of the guest, or the path of its control socket\n\n");
  for (const VerbUsage& v : verb_usages()) {
    std::string words(v.name);
    for (const std::string_view word : v.words) words += fmt::format(" {}", word);
    fmt::print("  {:26} {}\n", words, v.help);
  }
}

Result<const VerbUsage*> find_verb(std::string_view name) {
  std::vector<std::string_view> names;
  for (const VerbUsage& v : verb_usages()) {
    if (v.name == name) return &v;
    names.push_back(v.name);
  }
  const std::string_view near = config::nearest(name, names);
  return user_error(
      fmt::format("ctl: {}: unknown verb{}", name, near.empty() ? "" : fmt::format(" (is {} meant?)", near)));
}

// Files are named from the caller's folder, not the guest's.
std::string member_text(std::string_view key, const char* text, std::string_view verb) {
  const bool is_path = key == "target" || (key == "to" && verb == "screenshot");
  return is_path ? std::filesystem::absolute(text).string() : text;
}

Result<Json> make_request(const VerbUsage& verb, Arguments arguments) {
  Json request = {{"do", verb.name}};
  std::size_t next = 0;
  for (std::string_view word : verb.words) {
    if (word.ends_with("...")) {
      Json all = Json::array();
      for (; next < arguments.size(); ++next) all.push_back(arguments[next]);
      request[std::string(word.substr(0, word.size() - 3))] = std::move(all);
      continue;
    }
    const bool optional = word.ends_with('?');
    if (optional) word.remove_suffix(1);
    if (next < arguments.size())
      request[std::string(word)] = member_text(word, arguments[next], verb.name), ++next;
    else if (!optional) return user_error(fmt::format("ctl: {}: {} is missing", verb.name, word));
  }
  if (next < arguments.size())
    return user_error(fmt::format("ctl: {}: {}: unexpected", verb.name, arguments[next]));
  return request;
}

Result<Json> run(Arguments arguments) {
  TANDEM_TRY_ASSIGN(verb, find_verb(arguments[1]));
  TANDEM_TRY_ASSIGN(request, make_request(*verb, arguments.subspan(2)));
  TANDEM_TRY_ASSIGN(path, control_path(arguments[0]));
  TANDEM_TRY_ASSIGN(reply, ask(path, request));
  if (reply.value("ok", false)) return reply;
  return user_error(fmt::format("{}: {}", arguments[0], reply.value("error", "no reason given")));
}

}  // namespace

int ctl_command(Arguments arguments) {
  if (arguments.size() < 2) return print_usage(), arguments.empty() ? kUsage : kOk;
  auto reply = run(arguments);
  if (!reply) return fail(reply.error());
  Json& said = reply.value();
  said.erase("ok");
  // A text is for people, or for the next program.
  if (said.size() == 1 && said.contains("text") && said["text"].is_string())
    fmt::print("{}", said["text"].get<std::string>());
  else if (!said.empty()) fmt::print("{}\n", said.dump(2));
  return kOk;
}

}  // namespace tandem::tools
