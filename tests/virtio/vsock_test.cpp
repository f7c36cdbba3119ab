// virtio-vsock (VIRTIO 1.2, 5.10) with the host's Unix sockets at its other end; the guest is the test.
#include "devices/virtio/vsock.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "devices/backend/vsock/vsock_network.h"
#include "tests/virtio/virtio_fixture.h"

namespace tandem::tests {
namespace {

using namespace devices;
using namespace devices::virtio;
using vsock::Header;
using vsock::Op;
using Bytes = std::vector<u8>;

constexpr u64 kCid = 5;
constexpr auto kPatience = std::chrono::seconds(20);

struct Packet {
  Header header;
  Bytes data;
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), a.sun_path);
  return a;
}

// A socket of the host, which waits for a while and no longer.
class Socket {
 public:
  explicit Socket(int fd = socket(AF_UNIX, SOCK_STREAM, 0)) : fd_(fd) {
    const timeval limit{kPatience.count(), 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  ~Socket() { end(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }
  bool connect(const std::string& path) {
    const sockaddr_un a = address_of(path);
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
  }
  bool listen(const std::string& path) {
    const sockaddr_un a = address_of(path);
    return bind(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 && ::listen(fd_, 8) == 0;
  }
  void write(std::string_view text) {
    ASSERT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // So many bytes, or as many as there are before the end.
  std::string read(std::size_t bytes) {
    std::string text(bytes, 0);
    const ssize_t n = recv(fd_, text.data(), bytes, MSG_WAITALL);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }
  void end() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

class VsockTest : public VirtioTest, public testing::WithParamInterface<RingForm> {
 protected:
  static constexpr u32 kBuffer = 1000;  // what the guest offers for a packet
  static constexpr u16 kBuffers = 16;

  VsockTest() {
    folder = std::filesystem::temp_directory_path() / ("vsock-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    path = (folder / "s").string();
    backend = std::make_unique<NetBackend>(vsock::VsockNetwork::create(kCid, path).take());
    plug(std::make_unique<Vsock>(bench.context(), "vsock", *backend, kCid));
  }
  ~VsockTest() override {
    transport.reset();
    backend.reset();
    std::filesystem::remove_all(folder);
  }
  void begin() {
    negotiate(GetParam().features());
    ASSERT_TRUE(status() & kFeaturesOk);
    use_msix(3);
    for (u16 q = 0; q < 3; ++q) {
      rings.emplace_back(memory(), GetParam(), kBuffers, kRing + 0x8000 * q);
      set_up_queue(q, rings.back());
    }
    go();
    transport->resume();
    for (u16 i = 0; i < kBuffers; ++i) offer(i);
    kick(0);
  }
  void offer(u16 id) { rings[0].add(id, {{kData + 0x400 * id, kBuffer, true}}); }

  template <class F>
  static auto wait_for(F f) {
    auto found = f();
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (; !found && std::chrono::steady_clock::now() < end; found = f())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(found) << "it never came";
    return found;
  }
  void send(Header h, std::string_view data = {}) {
    h.from_cid = kCid;
    if (!h.to_cid) h.to_cid = vsock::kHostCid;
    h.length = static_cast<u32>(data.size());
    if (!h.room) h.room = room;
    h.taken = taken;
    const Bytes bytes = vsock::encode(h, std::span(reinterpret_cast<const u8*>(data.data()), data.size()));
    memory().write(Gpa{0x80000}, bytes);
    rings[1].add(1, {{0x80000, static_cast<u32>(bytes.size())}});
    kick(1);
    wait_for([&] { return rings[1].take_used(); });
  }
  Packet receive() {
    const auto used = wait_for([&] { return rings[0].take_used(); });
    if (!used) return {};
    const Bytes bytes = in_memory(kData + 0x400 * used->id, used->written);
    Packet p{vsock::parse(bytes), Bytes(bytes.begin() + vsock::kHeaderSize, bytes.end())};
    EXPECT_EQ(p.header.length, p.data.size());
    EXPECT_EQ(p.header.from_cid, vsock::kHostCid);
    EXPECT_EQ(p.header.to_cid, kCid);
    offer(used->id);
    kick(0);
    return p;
  }
  // Data until so many bytes have come; other packets are not expected, but credit.
  std::string receive_data(std::size_t bytes) {
    std::string all;
    while (all.size() < bytes && !HasFailure()) {
      const Packet p = receive();
      if (p.header.op != Op::CreditUpdate) {
        EXPECT_EQ(p.header.op, Op::Data);
      }
      all.append(p.data.begin(), p.data.end());
      taken += static_cast<u32>(p.data.size());
    }
    return all;
  }
  Op next_op() { return receive().header.op; }

  // A connection from the guest's port 1000 to the host's port 52.
  void connect_out(Socket& listener, std::unique_ptr<Socket>& end) {
    ASSERT_TRUE(listener.listen(path + "_52"));
    send({.from_port = 1000, .to_port = 52, .op = Op::Request});
    EXPECT_EQ(next_op(), Op::Response);
    end = std::make_unique<Socket>(::accept(listener.fd(), nullptr, nullptr));
  }

  std::filesystem::path folder;
  std::string path;
  std::unique_ptr<NetBackend> backend;
  std::vector<DriverRing> rings;
  u32 room = 64 * KiB, taken = 0;
};

INSTANTIATE_TEST_SUITE_P(Forms, VsockTest,
                         testing::Values(RingForm{false, true, true}, RingForm{true, true, false}),
                         form_name);

TEST_P(VsockTest, Configuration) {
  EXPECT_EQ(transport->read_config(0, 4), 0x10531af4u);
  EXPECT_EQ(bench.read(kConfig, 8), kCid);
}

TEST_P(VsockTest, GuestReachesAUnixSocket) {
  begin();
  Socket listener;
  std::unique_ptr<Socket> end;
  connect_out(listener, end);
  send({.from_port = 1000, .to_port = 52, .op = Op::Data}, "hello");
  EXPECT_EQ(end->read(5), "hello");
  end->write("and back");
  const Packet p = receive();
  EXPECT_EQ(std::string(p.data.begin(), p.data.end()), "and back");
  EXPECT_EQ(p.header.from_port, 52u);
  EXPECT_EQ(p.header.to_port, 1000u);
  EXPECT_EQ(p.header.taken, 5u) << "what the socket took of the guest's";
  EXPECT_EQ(p.header.room, 256 * KiB);
}

TEST_P(VsockTest, NobodyListens) {
  begin();
  send({.from_port = 1000, .to_port = 53, .op = Op::Request});
  EXPECT_EQ(next_op(), Op::Reset);
}

TEST_P(VsockTest, HostReachesThePortOfTheGuest) {
  begin();
  Socket caller;
  ASSERT_TRUE(caller.connect(path));
  caller.write("CONNECT 77\nat once");
  const Header request = receive().header;
  EXPECT_EQ(request.op, Op::Request);
  EXPECT_EQ(request.to_port, 77u);
  send({.from_port = 77, .to_port = request.from_port, .op = Op::Response});
  const std::string line = "OK " + std::to_string(request.from_port) + "\n";
  EXPECT_EQ(caller.read(line.size()), line);
  EXPECT_EQ(receive_data(7), "at once") << "what followed the line";
  send({.from_port = 77, .to_port = request.from_port, .op = Op::Data}, "yes");
  EXPECT_EQ(caller.read(3), "yes");
}

TEST_P(VsockTest, CallerIsTurnedAway) {
  begin();
  for (const char* said : {"CONNECT x\n", "CONNECT 1 2\n", "HELLO\n", "CONNECT 99999999999\n", "\n",
                           "CONNECT 111111111111111111111111111111111111111111"}) {
    Socket caller;
    ASSERT_TRUE(caller.connect(path));
    caller.write(said);
    EXPECT_EQ(caller.read(1), "") << said;
  }
  Socket caller;
  ASSERT_TRUE(caller.connect(path));
  caller.write("CONNECT 78\n");
  const Header request = receive().header;
  send({.from_port = 78, .to_port = request.from_port, .op = Op::Reset});
  EXPECT_EQ(caller.read(1), "") << "nobody listens in the guest";
}

TEST_P(VsockTest, EndsFromEitherSide) {
  begin();
  Socket listener;
  std::unique_ptr<Socket> end;
  connect_out(listener, end);
  shutdown(end->fd(), SHUT_WR);
  const Header half = receive().header;
  EXPECT_EQ(half.op, Op::Shutdown);
  EXPECT_EQ(half.flags, vsock::kNoSend);
  send({.from_port = 1000, .to_port = 52, .op = Op::Data}, "still");
  send({.from_port = 1000, .to_port = 52, .op = Op::Shutdown, .flags = vsock::kNoSend | vsock::kNoReceive});
  EXPECT_EQ(next_op(), Op::Reset);
  EXPECT_EQ(end->read(100), "still") << "and then its end";
  send({.from_port = 1000, .to_port = 52, .op = Op::Data}, "late");
  EXPECT_EQ(next_op(), Op::Reset) << "it is gone";
}

// 5.10.6.3: never more than the guest has room for.
TEST_P(VsockTest, HostKeepsToTheGuestsCredit) {
  begin();
  room = 3000;
  Socket listener;
  std::unique_ptr<Socket> end;
  connect_out(listener, end);
  const std::string text(10000, 'x');
  end->write(text);
  std::string got = receive_data(3000);
  EXPECT_EQ(got.size(), 3000u);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(rings[0].take_used()) << "the rest waits";
  while (got.size() < text.size() && !HasFailure()) {
    send({.from_port = 1000, .to_port = 52, .op = Op::CreditUpdate});
    got += receive_data(std::min<std::size_t>(3000, text.size() - got.size()));
  }
  EXPECT_EQ(got, text);
}

TEST_P(VsockTest, GuestIsToldOfRoomAndMayNotExceedIt) {
  begin();
  Socket listener;
  std::unique_ptr<Socket> end;
  connect_out(listener, end);
  const std::string piece(32 * KiB, 'y');
  u64 sent = 0;
  bool told = false;
  // The socket's own buffers come first; behind them the host's room fills.
  while (sent < 8 * MiB) {
    send({.from_port = 1000, .to_port = 52, .op = Op::Data}, piece);
    sent += piece.size();
    bool over = false;
    while (const auto used = rings[0].take_used()) {
      const Header h = vsock::parse(in_memory(kData + 0x400 * used->id, used->written));
      over = over || h.op == Op::Reset;
      told = told || (h.op == Op::CreditUpdate && h.taken >= 64 * KiB);
      offer(used->id);
      kick(0);
    }
    if (over) break;
  }
  EXPECT_TRUE(told) << "the socket has taken some";
  EXPECT_LT(sent, 8 * MiB) << "a guest that keeps to no credit is cut off";
  EXPECT_GT(sent, 256 * KiB);
}

TEST_P(VsockTest, StrangePacketsAreRefused) {
  begin();
  send({.from_port = 9, .to_port = 9, .op = Op::Data}, "x");
  EXPECT_EQ(next_op(), Op::Reset) << "no such connection";
  send({.from_port = 9, .to_port = 9, .type = 2, .op = Op::Request});
  EXPECT_EQ(next_op(), Op::Reset) << "no stream";
  send({.to_cid = 77, .from_port = 9, .to_port = 9, .op = Op::Request});
  EXPECT_EQ(next_op(), Op::Reset) << "another's address";
  send({.from_port = 9, .to_port = 9, .op = Op::Reset});
  send({.from_port = 9, .to_port = 9, .op = static_cast<Op>(99)});
  EXPECT_EQ(next_op(), Op::Reset);
  rings[1].add(1, {{0x80000, 20}});
  kick(1);
  wait_for([&] { return status() & kNeedsReset; });
}

TEST_P(VsockTest, ManyConnectionsLeaveNothing) {
  begin();
  const auto open_files = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                         std::filesystem::directory_iterator{});
  };
  Socket listener;
  ASSERT_TRUE(listener.listen(path + "_52"));
  const auto before = open_files();
  for (u32 port = 1; port <= 300; ++port) {
    send({.from_port = port, .to_port = 52, .op = Op::Request});
    ASSERT_EQ(next_op(), Op::Response);
    Socket end(::accept(listener.fd(), nullptr, nullptr));
    send({.from_port = port, .to_port = 52, .op = Op::Shutdown, .flags = vsock::kNoSend | vsock::kNoReceive});
    ASSERT_EQ(next_op(), Op::Reset);
  }
  EXPECT_EQ(open_files(), before);
}

TEST_P(VsockTest, LoadedGuestHearsThatConnectionsAreGone) {
  begin();
  snapshot::StateWriter writer;
  ASSERT_TRUE(transport->quiesce().ok());
  transport->save(writer);
  auto reader = snapshot::StateReader::open(writer.finish());
  ASSERT_TRUE(reader.ok() && transport->load(reader.value()).ok());
  rings[2].add(1, {{kData + 0x8000, 4, true}});
  transport->resume();
  kick(2);
  const auto used = rings[2].take_used();
  ASSERT_TRUE(used);
  EXPECT_EQ(used->written, 4u);
  EXPECT_EQ(memory().read_value<u32>(Gpa{kData + 0x8000}), 0u);
}

TEST(VsockNetwork, PathIsTakenOrNone) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("vsock-path-" + std::to_string(getpid()))).string();
  auto first = vsock::VsockNetwork::create(3, path);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(vsock::VsockNetwork::create(4, path).ok()) << "another guest's";
  first.take().reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(vsock::VsockNetwork::create(3, std::string(200, 'x')).ok());
  EXPECT_FALSE(vsock::VsockNetwork::create(3, "/nowhere/at/all").ok());
}

}  // namespace
}  // namespace tandem::tests
