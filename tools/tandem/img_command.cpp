// tandem img: disk images. Its options and verbs.
#include "tools/tandem/img.h"
#include "tools/tandem/report.h"

namespace tandem::tools {

namespace {

struct Verb {
  std::string_view name;
  std::size_t words;
  Result<void> (*run)(const ImgRequest&);
  std::string_view usage;
};

constexpr Verb kVerbs[] = {
    {"create", 2, img_create, "FILE SIZE [--format raw|qcow2] [--backing FILE] [--backing-format raw|qcow2]"},
    {"convert", 2, img_convert, "FROM TO [--from raw|qcow2] [--format raw|qcow2]"},
    {"info", 1, img_info, "FILE [--format raw|qcow2]"},
    {"check", 1, img_check, "FILE"},
};

Result<void> set_option(ImgRequest& r, std::string_view key, std::string_view value) {
  if (key == "--backing") return r.backing = value, Result<void>();
  auto format = devices::parse_image_format(value);
  if (!format) return std::move(format.error()).in(key);
  (key == "--format" ? r.format : key == "--from" ? r.from : r.backing_format) = format.value();
  return {};
}

Result<ImgRequest> parse(Arguments arguments) {
  ImgRequest r;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view a = arguments[i];
    if (a == "--format" || a == "--from" || a == "--backing" || a == "--backing-format") {
      if (i + 1 == arguments.size()) return user_error(fmt::format("{}: a value is missing", a));
      TANDEM_TRY(set_option(r, a, arguments[++i]));
    } else if (a.starts_with("--")) {
      return user_error(fmt::format("img: {}: unexpected", a));
    } else {
      r.words.emplace_back(a);
    }
  }
  return r;
}

}  // namespace

int img_command(Arguments arguments) {
  const std::string_view name = arguments.empty() ? "" : arguments[0];
  for (const Verb& verb : kVerbs) {
    if (verb.name != name) continue;
    auto request = parse(arguments.subspan(1));
    if (!request) return fail(request.error());
    if (request.value().words.size() != verb.words)
      return say(fmt::format("img: usage: tandem img {} {}", name, verb.usage)), kUsage;
    auto done = verb.run(request.value());
    return done ? kOk : fail(done.error());
  }
  return say(fmt::format("img: '{}' is none of create, convert, info, check", name)), kUsage;
}

}  // namespace tandem::tools
