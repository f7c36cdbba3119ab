// vif=: what each item says, and what is refused.
#include <gtest/gtest.h>

#include "core/config/vif_spec.h"

namespace tandem::tests {
namespace {

using config::VifSpec;
using config::VifType;

TEST(VifSpecs, Meaning) {
  const std::pair<const char*, VifSpec> rows[] = {
      {"", {}},
      {"model=e1000",
       {.model = config::VifModel::E1000, .mac = {}, .forwards = {}, .interface = {}, .capture = {}}},
      {"type=none", {.type = VifType::None, .mac = {}, .forwards = {}, .interface = {}, .capture = {}}},
      {"type=user,mac=52:54:00:ab:CD:ef,hostfwd=tcp:127.0.0.1:2222-:22, hostfwd=udp::53-:53,restrict",
       {.mac = std::array<u8, 6>{0x52, 0x54, 0, 0xab, 0xcd, 0xef},
        .forwards = {"tcp:127.0.0.1:2222-:22", "udp::53-:53"},
        .restricted = true,
        .interface = {},
        .capture = {}}},
      {"type=tap,model=virtio,ifname=tap0,mtu=9000,capture=/a,b.pcap",
       {.type = VifType::Tap,
        .mac = {},
        .forwards = {},
        .interface = "tap0",
        .mtu = 9000,
        .capture = "/a,b.pcap"}},
  };
  for (const auto& [text, expected] : rows) {
    auto spec = config::parse_vif_spec(text);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec.value(), expected) << text;
  }
}

TEST(VifSpecs, Refusals) {
  const std::pair<const char*, const char*> rows[] = {
      {"type=bridge", "type bridge"},
      {"user", "what is 'user'?"},
      {"colour=red", "unknown key colour"},
      {"mac=52:54:00:00:00", "mac 52:54"},
      {"mac=01:54:00:00:00:00", "mac 01"},
      {"mac=5x:54:00:00:00:00", "mac 5x"},
      {"mtu=67", "mtu 67"},
      {"mtu=70000", "mtu 70000"},
      {"model=xen", "model xen"},
      {"type=tap,hostfwd=tcp::1-:2", "for type=user"},
      {"restrict=maybe", "on or off"},
  };
  for (const auto& [text, says] : rows) {
    auto spec = config::parse_vif_spec(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_NE(spec.error().message.find(says), std::string::npos) << spec.error().message;
  }
}

}  // namespace
}  // namespace tandem::tests
