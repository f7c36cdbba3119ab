// vsock=: what it says, and what is refused.
#include <gtest/gtest.h>

#include "core/config/vsock_spec.h"

namespace tandem::tests {
namespace {

using config::VsockSpec;

TEST(VsockSpecs, Meaning) {
  const std::pair<const char*, VsockSpec> rows[] = {
      {"path=/tmp/v", {3, "/tmp/v"}},
      {"cid=77, path=/tmp/a b", {77, "/tmp/a b"}},
      {"path=v,cid=4294967294", {4294967294, "v"}},
  };
  for (const auto& [text, expected] : rows) {
    auto spec = config::parse_vsock_spec(text);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec.value(), expected) << text;
  }
}

TEST(VsockSpecs, Refusals) {
  const std::pair<std::string, const char*> rows[] = {
      {"", "path=PATH"},
      {"cid=5", "path=PATH"},
      {"cid=2,path=/x", "from 3"},
      {"cid=4294967295,path=/x", "from 3"},
      {"cid=3x,path=/x", "from 3"},
      {"path=/x,port=1", "what is 'port=1'?"},
  };
  for (const auto& [text, says] : rows) {
    auto spec = config::parse_vsock_spec(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_NE(spec.error().message.find(says), std::string::npos) << spec.error().message;
  }
}

}  // namespace
}  // namespace tandem::tests
