// Packets of GDB's remote serial protocol (GDB manual, appendix E): framing and checksums, nothing of what
// they say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/base/types.h"

namespace tandem::debug {

inline constexpr std::size_t kMaxPacket = 16 * KiB;  // bytes of content

struct Incoming {
  enum class Kind : u8 { Packet, Bad, Interrupt, Ack, Nack };
  Kind kind = Kind::Bad;  // Bad: wrong checksum, or too long
  std::string content;    // of a Packet, unescaped
};

class PacketReader {
 public:
  // What this byte completes. Bytes outside packets that mean nothing are skipped.
  std::optional<Incoming> feed(u8 byte);

 private:
  enum class State : u8 { Outside, Content, Escape, Checksum1, Checksum2 };
  std::optional<Incoming> outside(u8 byte);
  void keep(u8 byte);
  Incoming finish();

  State state_ = State::Outside;
  std::string content_;
  bool too_long_ = false;
  u8 sum_ = 0;
  int checksum_ = 0;  // as it was sent; negative: no digits
};

// A packet with this content.
std::string frame(std::string_view content);

// Bytes as hexadecimal digits and back; nothing where there is something else.
std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view digits);
int hex_digit(char c);  // -1: none

// Takes a hexadecimal number off the front of `text`.
std::optional<u64> take_hex(std::string_view& text);
// Takes `prefix` off it, if it is there.
bool take(std::string_view& text, std::string_view prefix);

}  // namespace tandem::debug
