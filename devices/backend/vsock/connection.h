// One stream between a port of the guest and one of the host: a socket of the host, what waits to be written
// to it, and how much room either side has (VIRTIO 1.2, 5.10.6.3).
#pragma once

#include <poll.h>

#include <functional>
#include <vector>

#include "devices/backend/vsock/packet.h"

namespace tandem::devices::vsock {

struct Ports {
  u32 guest, host;
  auto operator<=>(const Ports&) const = default;
};

// Gives the guest a packet; ports and credit are filled in.
using PacketSink = std::function<void(const Header&, std::span<const u8>)>;

class Connection {
 public:
  enum class State : u8 {
    Asking,  // the guest has not answered our request
    Open,
    Closing,  // the guest will send no more and takes no more; the socket gets what waits
    Over,
  };
  // Owns the socket, which never blocks.
  Connection(int socket, State state) : socket_(socket), state_(state) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  State state() const { return state_; }
  int socket() const { return socket_; }
  // What poll() is to wait for.
  short wanted() const;

  // A packet of the guest for this connection.
  void take(const Header& header, std::span<const u8> data, const PacketSink& out);
  // The socket has something, or room.
  void serve(short events, const PacketSink& out);
  void fill_credit(Header& header) const;

 private:
  u32 credit() const { return peer_room_ - (sent_ - peer_taken_); }
  void end(const PacketSink& out);  // tells the guest
  void store(std::span<const u8> data, const PacketSink& out);
  void shut(u32 flags, const PacketSink& out);
  void write_waiting(const PacketSink& out);
  void read_socket(const PacketSink& out);

  const int socket_;
  State state_;
  std::vector<u8> waiting_;         // for the socket
  std::size_t written_ = 0;         // of them
  u32 taken_ = 0, told_taken_ = 0;  // from the guest, by the socket; what it knows of that
  u32 sent_ = 0, peer_room_ = 0, peer_taken_ = 0;
  bool host_ended_ = false;   // the socket gives no more
  bool guest_ended_ = false;  // the guest sends no more
  bool guest_deaf_ = false;   // the guest takes no more
};

}  // namespace tandem::devices::vsock
