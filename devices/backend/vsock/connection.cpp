#include "devices/backend/vsock/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tandem::devices::vsock {

namespace {

// What a guest may have on the way to a socket that takes nothing.
constexpr u32 kRoom = 256 * KiB;
// A guest without an answer from us waits for this.
constexpr u32 kTellEvery = kRoom / 4;

}  // namespace

Connection::~Connection() { close(socket_); }

short Connection::wanted() const {
  int events = 0;
  const bool open = state_ == State::Open;
  if (open && !host_ended_ && !guest_deaf_ && credit()) events |= POLLIN;
  if (written_ < waiting_.size()) events |= POLLOUT;
  return static_cast<short>(events);
}

void Connection::fill_credit(Header& header) const {
  header.room = kRoom;
  header.taken = taken_;
}

void Connection::end(const PacketSink& out) {
  out({.op = Op::Reset}, {});
  state_ = State::Over;
}

void Connection::take(const Header& h, std::span<const u8> data, const PacketSink& out) {
  peer_room_ = h.room;
  peer_taken_ = h.taken;
  switch (h.op) {
    case Op::Response:
      if (state_ != State::Asking) return end(out);
      state_ = State::Open;
      break;
    case Op::Data: store(data, out); break;
    case Op::Shutdown: shut(h.flags, out); break;
    case Op::CreditRequest:
      out({.op = Op::CreditUpdate}, {});
      told_taken_ = taken_;
      break;
    case Op::CreditUpdate: break;
    case Op::Reset: state_ = State::Over; break;
    default: end(out);
  }
}

// A guest that sends more than there is room for breaks the rule.
void Connection::store(std::span<const u8> data, const PacketSink& out) {
  const std::size_t held = waiting_.size() - written_;
  if (state_ != State::Open || guest_ended_ || held + data.size() > kRoom) return end(out);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<i64>(written_));
  written_ = 0;
  waiting_.insert(waiting_.end(), data.begin(), data.end());
  write_waiting(out);
}

void Connection::shut(u32 flags, const PacketSink& out) {
  guest_deaf_ = guest_deaf_ || (flags & kNoReceive);
  guest_ended_ = guest_ended_ || (flags & kNoSend);
  if (guest_deaf_ && guest_ended_) state_ = State::Closing;
  if (guest_deaf_) shutdown(socket_, SHUT_RD);
  write_waiting(out);
}

void Connection::write_waiting(const PacketSink& out) {
  while (written_ < waiting_.size()) {
    const ssize_t n =
        ::send(socket_, &waiting_[written_], waiting_.size() - written_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) return end(out);
    written_ += static_cast<std::size_t>(n);
    taken_ += static_cast<u32>(n);
  }
  if (written_ < waiting_.size()) return;
  waiting_.clear();
  written_ = 0;
  if (guest_ended_) shutdown(socket_, SHUT_WR);
  if (state_ == State::Closing) return end(out);
  if (taken_ - told_taken_ < kTellEvery) return;
  told_taken_ = taken_;
  out({.op = Op::CreditUpdate}, {});
}

void Connection::read_socket(const PacketSink& out) {
  std::array<u8, kMaxData> data;
  const ssize_t n = recv(socket_, data.data(), std::min<u64>(data.size(), credit()), MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) return end(out);
  if (n == 0) {
    host_ended_ = true;
    return out({.op = Op::Shutdown, .flags = kNoSend}, {});
  }
  sent_ += static_cast<u32>(n);
  told_taken_ = taken_;
  out({.length = static_cast<u32>(n), .op = Op::Data}, std::span(data).first(static_cast<std::size_t>(n)));
}

void Connection::serve(short events, const PacketSink& out) {
  if (events & POLLOUT) write_waiting(out);
  if (state_ == State::Open && (events & POLLIN)) read_socket(out);
  if (state_ == State::Over) return;
  // Both directions are over on the host's side, and all of it was read.
  if ((events & (POLLHUP | POLLERR)) && !(events & POLLIN)) end(out);
}

}  // namespace tandem::devices::vsock
