// Framing of the remote protocol (GDB manual, E.1 "Overview").
#include <gtest/gtest.h>

#include "core/debug/packet.h"

namespace tandem::tests {
namespace {

using debug::Incoming;
using debug::PacketReader;

std::vector<Incoming> feed(std::string_view bytes) {
  PacketReader reader;
  std::vector<Incoming> all;
  for (const char c : bytes)
    if (const auto in = reader.feed(static_cast<u8>(c))) all.push_back(*in);
  return all;
}

TEST(Packet, WhatIsFramedIsReadAgain) {
  std::string content;
  for (int c = 0; c < 256; ++c) content.push_back(static_cast<char>(c));
  const auto all = feed(debug::frame(content));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kind, Incoming::Kind::Packet);
  EXPECT_EQ(all[0].content, content);
}

TEST(Packet, Checksum) {
  EXPECT_EQ(debug::frame("OK"), "$OK#9a");
  EXPECT_EQ(feed("$OK#9b").at(0).kind, Incoming::Kind::Bad);
  EXPECT_EQ(feed("$OK#zz").at(0).kind, Incoming::Kind::Bad);
}

TEST(Packet, WhatComesBetween) {
  const auto all = feed("+x\x03-$half$OK#9a");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].kind, Incoming::Kind::Ack);
  EXPECT_EQ(all[1].kind, Incoming::Kind::Interrupt);
  EXPECT_EQ(all[2].kind, Incoming::Kind::Nack);
  EXPECT_EQ(all[3].content, "OK");
}

TEST(Packet, TooLong) {
  const auto all = feed(debug::frame(std::string(debug::kMaxPacket + 1, 'x')));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kind, Incoming::Kind::Bad);
}

TEST(Packet, Hexadecimal) {
  EXPECT_EQ(debug::to_hex("\x01\xff"), "01ff");
  EXPECT_EQ(debug::from_hex("01FF"), "\x01\xff");
  EXPECT_FALSE(debug::from_hex("0"));
  EXPECT_FALSE(debug::from_hex("0g"));
  std::string_view text = "12ab,";
  EXPECT_EQ(debug::take_hex(text), 0x12abu);
  EXPECT_EQ(text, ",");
  EXPECT_FALSE(debug::take_hex(text));
}

}  // namespace
}  // namespace tandem::tests
