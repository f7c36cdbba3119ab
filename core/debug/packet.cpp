#include "core/debug/packet.h"

#include <fmt/format.h>

namespace tandem::debug {

namespace {
constexpr u8 kEscape = '}', kEscapeXor = 0x20, kInterrupt = 3;
constexpr std::string_view kEscaped = "#$}*";
}  // namespace

std::optional<Incoming> PacketReader::outside(u8 byte) {
  switch (byte) {
    case '$':
      state_ = State::Content;
      content_.clear();
      sum_ = 0;
      too_long_ = false;
      return std::nullopt;
    case kInterrupt: return Incoming{Incoming::Kind::Interrupt, {}};
    case '+': return Incoming{Incoming::Kind::Ack, {}};
    case '-': return Incoming{Incoming::Kind::Nack, {}};
    default: return std::nullopt;
  }
}

void PacketReader::keep(u8 byte) {
  if (content_.size() < kMaxPacket) content_.push_back(static_cast<char>(byte));
  else too_long_ = true;
}

std::optional<Incoming> PacketReader::feed(u8 byte) {
  switch (state_) {
    case State::Outside: return outside(byte);
    case State::Content:
      if (byte == '#') {
        state_ = State::Checksum1;
        return std::nullopt;
      }
      if (byte == '$') return outside(byte);  // the end of the last one was lost
      sum_ = static_cast<u8>(sum_ + byte);
      if (byte == kEscape) state_ = State::Escape;
      else keep(byte);
      return std::nullopt;
    case State::Escape:
      sum_ = static_cast<u8>(sum_ + byte);
      keep(byte ^ kEscapeXor);
      state_ = State::Content;
      return std::nullopt;
    case State::Checksum1:
      checksum_ = hex_digit(static_cast<char>(byte)) * 16;
      state_ = State::Checksum2;
      return std::nullopt;
    case State::Checksum2: {
      const int low = hex_digit(static_cast<char>(byte));
      checksum_ = checksum_ < 0 || low < 0 ? -1 : checksum_ + low;
      return finish();
    }
  }
  return std::nullopt;
}

Incoming PacketReader::finish() {
  state_ = State::Outside;
  if (checksum_ != sum_ || too_long_) return {Incoming::Kind::Bad, {}};
  return {Incoming::Kind::Packet, std::move(content_)};
}

std::string frame(std::string_view content) {
  std::string out = "$";
  u8 sum = 0;
  const auto put = [&](char c) {
    out.push_back(c);
    sum = static_cast<u8>(sum + static_cast<u8>(c));
  };
  for (const char c : content) {
    if (kEscaped.find(c) == std::string_view::npos) {
      put(c);
    } else {
      put(static_cast<char>(kEscape));
      put(static_cast<char>(c ^ kEscapeXor));
    }
  }
  return out + fmt::format("#{:02x}", sum);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<u8>(c) >> 4]);
    out.push_back(kDigits[c & 15]);
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::optional<u64> take_hex(std::string_view& text) {
  u64 value = 0;
  unsigned digits = 0;
  for (; !text.empty() && hex_digit(text[0]) >= 0; text.remove_prefix(1), ++digits)
    value = value << 4 | static_cast<u64>(hex_digit(text[0]));
  if (digits == 0 || digits > 16) return std::nullopt;
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace tandem::debug
