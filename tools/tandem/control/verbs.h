// What can be asked of a running guest: verbs by name, JSON objects in and out.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::tools {

using Json = nlohmann::json;

class Verbs {
 public:
  // Gets the whole request; gives what is said beside "ok". Called on the server's thread, one at a time.
  using Verb = std::function<Result<Json>(const Json& request)>;

  // Before the server starts. Devices and services with a verb of their own add it the same way.
  void add(std::string name, Verb verb) { verbs_[std::move(name)] = std::move(verb); }
  // One line of JSON, {"do": VERB, ...}; the answer: {"ok": true, ...} or {"ok": false, "error": TEXT}.
  Json execute(std::string_view line) const;

 private:
  Result<Json> answer(std::string_view line) const;

  std::map<std::string, Verb, std::less<>> verbs_;
};

// A member of a request. Error where it is missing or of another kind.
Result<std::string> text_of(const Json& request, const char* key);
Result<i64> number_of(const Json& request, const char* key);
Result<std::vector<std::string>> texts_of(const Json& request, const char* key);

// How tandem ctl's arguments become members: the names of words in their order, "..." behind one that takes
// all that follow, "?" behind those that may be left out.
struct VerbUsage {
  std::string_view name;
  std::vector<std::string_view> words;
  std::string_view help;
};
const std::vector<VerbUsage>& verb_usages();

}  // namespace tandem::tools
