#include "core/debug/stub.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tandem::debug {

using cpu::WatchKind;

namespace {

constexpr std::string_view kOk = "OK", kBad = "E22", kNoMemory = "E14";  // EINVAL, EFAULT
constexpr int kSigInt = 2;
constexpr std::size_t kConsolePiece = 4096;  // of a monitor command's text, in one packet

std::string_view view(std::span<const u8> bytes) {
  // SAFETY: bytes of a local buffer, as characters.
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Stub::Stub(Target& target, Monitor& monitor, StubOptions options)
    : target_(target), monitor_(monitor), options_(std::move(options)) {}

void Stub::connect() {
  target_.attach();
  reader_ = {};
  arch_ = options_.arch.value_or(arch_of(target_.state(0), options_.has_long_mode));
  description_ = describe_target(arch_);
  points_ = {};
  hardware_.clear();
  vcpu_ = continued_ = 0;
  all_continue_ = acks_ = true;
  swbreak_ = physical_ = running_ = detached_ = false;
  last_stop_ = "T05thread:1;";
  range_.reset();
}

void Stub::disconnect() { target_.detach(); }

std::string Stub::receive(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const std::optional<Incoming> in = reader_.feed(static_cast<u8>(c));
    if (!in) continue;
    switch (in->kind) {
      case Incoming::Kind::Ack: break;
      case Incoming::Kind::Nack: out += last_sent_; break;
      case Incoming::Kind::Bad:
        if (acks_) out += '-';
        break;
      case Incoming::Kind::Packet: out += packet(in->content); break;
      case Incoming::Kind::Interrupt:
        if (!running_) break;
        out += news();
        if (!running_) break;
        target_.interrupt();
        running_ = false;
        range_.reset();
        last_stop_ = fmt::format("T{:02x}thread:{:x};", kSigInt, vcpu_ + 1);
        out += last_sent_ = frame(last_stop_);
        break;
    }
  }
  return out;
}

std::string Stub::packet(std::string_view content) {
  std::string out = acks_ ? "+" : "";
  const bool was_running = running_;
  const std::string said = answer(content);
  // What runs is answered when it stops.
  if (running_ && !was_running) return out;
  last_sent_ = std::exchange(console_, "") + frame(said);
  if (detached_) target_.detach();
  return out + last_sent_;
}

std::string Stub::answer(std::string_view text) {
  if (text.empty() || detached_) return "";
  // While the guest runs, only ^C is listened to.
  if (running_) return std::string(kBad);
  const char command = text[0];
  text.remove_prefix(1);
  switch (command) {
    case '?': return last_stop_;
    case 'g': return all_registers();
    case 'G': return write_all_registers(text);
    case 'p': return one_register(text);
    case 'P': return write_one_register(text);
    case 'm': return read_memory(text);
    case 'M': return write_memory(text, false);
    case 'X': return write_memory(text, true);
    case 'H': return select_thread(text);
    case 'T': {
      const std::optional<u64> id = take_hex(text);
      return std::string(id && *id >= 1 && *id <= target_.vcpu_count() ? kOk : kBad);
    }
    case 'Z': return point(text, true);
    case 'z': return point(text, false);
    case 'c':
    case 's': return continue_or_step(std::string(1, command) + std::string(text));
    case 'C':
    case 'S': return continue_or_step(std::string(1, command == 'C' ? 'c' : 's'));
    case 'v': return verbose(text);
    case 'q': return query(text);
    case 'Q': return set_general(text);
    case 'D': detached_ = true; return std::string(kOk);
    case 'k':
      detached_ = true;
      if (options_.kill) options_.kill();
      return "";
    default: return "";
  }
}

// --- Queries ----------------------------------------------------------------------------------------------

std::string Stub::query(std::string_view text) {
  if (take(text, "Supported")) {
    swbreak_ = text.find("swbreak+") != std::string_view::npos;
    return fmt::format(
        "PacketSize={:x};QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;"
        "vContSupported+;swbreak+;hwbreak+",
        kMaxPacket);
  }
  if (take(text, "Xfer:")) return transfer(text);
  if (take(text, "Rcmd,")) return monitor_command(text);
  if (text == "Attached") return "1";
  if (text == "C") return fmt::format("QC{:x}", vcpu_ + 1);
  if (text == "fThreadInfo") {
    std::string ids;
    for (u32 i = 0; i < target_.vcpu_count(); ++i) ids += fmt::format("{}{:x}", i ? "," : "m", i + 1);
    return ids;
  }
  if (text == "sThreadInfo") return "l";
  if (take(text, "ThreadExtraInfo,")) {
    const std::optional<u64> id = take_hex(text);
    if (!id || *id < 1 || *id > target_.vcpu_count()) return std::string(kBad);
    return to_hex(fmt::format("vCPU {}", *id - 1));
  }
  if (text == "qemu.PhyMemMode") return physical_ ? "1" : "0";
  return "";
}

std::string Stub::set_general(std::string_view text) {
  if (text == "StartNoAckMode") {
    acks_ = false;
    return std::string(kOk);
  }
  if (take(text, "qemu.PhyMemMode:")) {
    physical_ = text == "1";
    return std::string(kOk);
  }
  return "";
}

std::string Stub::transfer(std::string_view text) {
  std::string list;
  const std::string* object = nullptr;
  if (take(text, "features:read:target.xml:")) object = &description_;
  else if (take(text, "threads:read::")) object = &(list = thread_list());
  if (!object) return "";
  const std::optional<u64> offset = take_hex(text);
  if (!offset || !take(text, ",")) return std::string(kBad);
  const std::optional<u64> length = take_hex(text);
  if (!length) return std::string(kBad);
  if (*offset >= object->size()) return "l";
  const std::string piece = object->substr(*offset, std::min<u64>(*length, kMaxPacket - 1));
  return (*offset + piece.size() < object->size() ? "m" : "l") + piece;
}

std::string Stub::thread_list() const {
  std::string out = "<?xml version=\"1.0\"?>\n<threads>\n";
  for (u32 i = 0; i < target_.vcpu_count(); ++i)
    out += fmt::format("<thread id=\"{:x}\" core=\"{}\" name=\"vCPU {}\"/>\n", i + 1, i, i);
  return out + "</threads>\n";
}

std::string Stub::monitor_command(std::string_view hex) {
  const std::optional<std::string> line = from_hex(hex);
  if (!line) return std::string(kBad);
  const std::string text = monitor_.execute(*line, vcpu_);
  for (std::size_t at = 0; at < text.size(); at += kConsolePiece)
    console_ += frame("O" + to_hex(std::string_view(text).substr(at, kConsolePiece)));
  return std::string(kOk);
}

// --- Registers and memory ---------------------------------------------------------------------------------

std::string Stub::all_registers() {
  const cpu::CpuState s = target_.state(vcpu_);
  std::string bytes;
  for (const Register& r : registers(arch_)) bytes += read_register(s, r);
  return to_hex(bytes);
}

std::string Stub::write_all_registers(std::string_view hex) {
  const std::optional<std::string> bytes = from_hex(hex);
  if (!bytes) return std::string(kBad);
  std::string_view left = *bytes;
  cpu::CpuState s = target_.state(vcpu_);
  for (const Register& r : registers(arch_)) {
    const std::string_view piece = left.substr(0, r.bits / 8);
    left.remove_prefix(piece.size());
    if (piece.size() == r.bits / 8) write_register(s, r, piece);
  }
  target_.set_state(vcpu_, s);
  return std::string(kOk);
}

std::string Stub::one_register(std::string_view text) {
  const std::optional<u64> number = take_hex(text);
  if (!number || *number >= registers(arch_).size()) return std::string(kBad);
  return to_hex(read_register(target_.state(vcpu_), registers(arch_)[*number]));
}

std::string Stub::write_one_register(std::string_view text) {
  const std::optional<u64> number = take_hex(text);
  if (!number || *number >= registers(arch_).size() || !take(text, "=")) return std::string(kBad);
  const std::optional<std::string> bytes = from_hex(text);
  if (!bytes) return std::string(kBad);
  cpu::CpuState s = target_.state(vcpu_);
  write_register(s, registers(arch_)[*number], *bytes);
  target_.set_state(vcpu_, s);
  return std::string(kOk);
}

std::string Stub::read_memory(std::string_view text) {
  const std::optional<u64> address = take_hex(text);
  if (!address || !take(text, ",")) return std::string(kBad);
  const std::optional<u64> length = take_hex(text);
  if (!length) return std::string(kBad);
  std::vector<u8> bytes(std::min<u64>(*length, kMaxPacket / 2));
  const cpu::CpuState s = target_.state(vcpu_);
  const std::size_t got =
      target_.look([&] { return Memory(s, target_.machine().memory(), physical_).read(*address, bytes); });
  if (got == 0 && *length) return std::string(kNoMemory);
  return to_hex(view(bytes).substr(0, got));
}

std::string Stub::write_memory(std::string_view text, bool binary) {
  const std::optional<u64> address = take_hex(text);
  if (!address || !take(text, ",")) return std::string(kBad);
  const std::optional<u64> length = take_hex(text);
  if (!length || !take(text, ":")) return std::string(kBad);
  const std::optional<std::string> bytes = binary ? std::string(text) : from_hex(text);
  if (!bytes || bytes->size() != *length) return std::string(kBad);
  const std::vector<u8> data(bytes->begin(), bytes->end());
  const cpu::CpuState s = target_.state(vcpu_);
  const std::size_t done =
      target_.look([&] { return Memory(s, target_.machine().memory(), physical_).write(*address, data); });
  return std::string(done == data.size() ? kOk : kNoMemory);
}

// --- Breakpoints ------------------------------------------------------------------------------------------

std::string Stub::point(std::string_view text, bool insert) {
  enum : char { kSoftware = '0', kHardware = '1', kWrite = '2', kRead = '3', kAccess = '4' };
  if (text.size() < 2 || text[1] != ',') return std::string(kBad);
  const char type = text[0];
  text.remove_prefix(2);
  const std::optional<u64> address = take_hex(text);
  if (!address || !take(text, ",")) return std::string(kBad);
  const std::optional<u64> length = take_hex(text);
  if (!length) return std::string(kBad);
  if (type == kSoftware || type == kHardware) {
    // Both kinds may be at one address: it is broken at while either is.
    std::erase(hardware_, *address);
    if (insert) points_.breakpoints.insert(*address);
    else points_.breakpoints.erase(*address);
    if (insert && type == kHardware) hardware_.push_back(*address);
    return std::string(kOk);
  }
  if (type < kWrite || type > kAccess) return "";
  if (*length == 0 || *address + *length < *address) return std::string(kBad);
  const WatchKind kind = type == kWrite  ? WatchKind::Write
                         : type == kRead ? WatchKind::Read
                                         : WatchKind::Access;
  const cpu::Watchpoint watch{*address, *length, kind};
  std::erase(points_.watchpoints, watch);
  if (insert) points_.watchpoints.push_back(watch);
  return std::string(kOk);
}

}  // namespace tandem::debug
