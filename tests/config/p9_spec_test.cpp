// p9=: what each item says, and what is refused.
#include <gtest/gtest.h>

#include "core/config/p9_spec.h"

namespace tandem::tests {
namespace {

using config::P9Spec;

TEST(P9Specs, Meaning) {
  const std::pair<const char*, P9Spec> rows[] = {
      {"tag=host,path=/srv/x", {"host", "/srv/x", false}},
      {"tag=host, path=/a b,readonly", {"host", "/a b", true}},
      {"readonly,path=.,tag=t", {"t", ".", true}},
  };
  for (const auto& [text, expected] : rows) {
    auto spec = config::parse_p9_spec(text);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec.value(), expected) << text;
  }
}

TEST(P9Specs, Refusals) {
  const std::pair<std::string, const char*> rows[] = {
      {"", "path=FOLDER"},
      {"tag=x", "path=FOLDER"},
      {"path=/x", "tag=NAME"},
      {"tag=" + std::string(256, 'x') + ",path=/", "too long"},
      {"tag=x,path=/,rw", "what is 'rw'?"},
  };
  for (const auto& [text, says] : rows) {
    auto spec = config::parse_p9_spec(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_NE(spec.error().message.find(says), std::string::npos) << spec.error().message;
  }
}

}  // namespace
}  // namespace tandem::tests
