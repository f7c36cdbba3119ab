#include "devices/backend/net/slirp_network.h"

#include <fmt/format.h>
#include <slirp/libslirp.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>

#include "core/base/assert.h"

namespace tandem::devices {

namespace {

// Large frames cost a guest least; but where a segment is as large as the usual windows, each end waits for
// the other's delayed acknowledgement. 65521 is libslirp's own limit.
constexpr u16 kUsualMtu = 9000, kLargestMtu = 65520;

i64 now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}
i64 now_ms() { return now_ns() / 1000000; }

in_addr address(u8 a, u8 b, u8 c, u8 d) { return {htonl(u32{a} << 24 | u32{b} << 16 | u32{c} << 8 | d)}; }
in_addr address(const std::array<u8, 4>& a) { return address(a[0], a[1], a[2], a[3]); }

SlirpConfig configuration(const SlirpOptions& options, u16 mtu) {
  SlirpConfig c{};
  c.version = 1;
  c.restricted = options.restricted;
  c.in_enabled = true;
  c.vnetwork = address(10, 0, 2, 0);
  c.vnetmask = address(255, 255, 255, 0);
  c.vhost = address(10, 0, 2, 2);
  c.vnameserver = address(10, 0, 2, 3);
  c.vdhcp_start = address(10, 0, 2, 15);
  c.vhostname = "tandem";
  c.if_mtu = c.if_mru = mtu;
  return c;
}

struct EventPair {
  short host;
  int slirp;
};
constexpr EventPair kEvents[] = {{POLLIN, SLIRP_POLL_IN},
                                 {POLLOUT, SLIRP_POLL_OUT},
                                 {POLLPRI, SLIRP_POLL_PRI},
                                 {POLLERR, SLIRP_POLL_ERR},
                                 {POLLHUP, SLIRP_POLL_HUP}};

int add_poll(int fd, int events, void* opaque) {
  auto& fds = *static_cast<std::vector<pollfd>*>(opaque);
  short wanted = 0;
  for (const EventPair& e : kEvents)
    if (events & e.slirp) wanted = static_cast<short>(wanted | e.host);
  fds.push_back({fd, wanted, 0});
  return static_cast<int>(fds.size()) - 2;  // the first one is the back end's own
}

int events_of(int index, void* opaque) {
  const auto& fds = *static_cast<std::span<const pollfd>*>(opaque);
  int events = 0;
  if (index < 0 || static_cast<std::size_t>(index) >= fds.size()) return 0;
  for (const EventPair& e : kEvents)
    if (fds[static_cast<std::size_t>(index)].revents & e.host) events |= e.slirp;
  return events;
}

}  // namespace

// What libslirp calls; `opaque` is the network.
struct SlirpNetwork::Callbacks {
  static SlirpNetwork& self(void* opaque) { return *static_cast<SlirpNetwork*>(opaque); }

  static ssize_t send_packet(const void* frame, size_t length, void* opaque) {
    if (self(opaque).to_guest_) self(opaque).to_guest_({static_cast<const u8*>(frame), length});
    return static_cast<ssize_t>(length);
  }
  static void guest_error(const char*, void*) {}
  static i64 clock(void*) { return now_ns(); }
  static void* timer_new(SlirpTimerCb call, void* argument, void* opaque) {
    return &self(opaque).timers_.emplace_back(Timer{call, argument});
  }
  static void timer_free(void* timer, void* opaque) {
    self(opaque).timers_.remove_if([timer](const Timer& t) { return &t == timer; });
  }
  static void timer_mod(void* timer, i64 due, void*) { static_cast<Timer*>(timer)->due = due; }
  static void nothing_fd(int, void*) {}
  static void nothing(void*) {}

  static constexpr SlirpCb kTable = {.send_packet = send_packet,
                                     .guest_error = guest_error,
                                     .clock_get_ns = clock,
                                     .timer_new = timer_new,
                                     .timer_free = timer_free,
                                     .timer_mod = timer_mod,
                                     .register_poll_fd = nothing_fd,
                                     .unregister_poll_fd = nothing_fd,
                                     .notify = nothing,
                                     .init_completed = nullptr,
                                     .timer_new_opaque = nullptr};
};

SlirpNetwork::SlirpNetwork(const SlirpOptions& options)
    : mtu_(options.mtu ? std::min(options.mtu, kLargestMtu) : kUsualMtu) {
  const SlirpConfig config = configuration(options, mtu_);
  slirp_ = slirp_new(&config, &Callbacks::kTable, this);
  ensure(slirp_, "libslirp takes its configuration");
}

SlirpNetwork::~SlirpNetwork() { slirp_cleanup(slirp_); }

Result<std::unique_ptr<Network>> SlirpNetwork::create(const SlirpOptions& options) {
  std::unique_ptr<Network> network(new SlirpNetwork(options));
  for (const Forward& f : options.forwards) TANDEM_TRY(network->forward(f));
  return network;
}

Result<void> SlirpNetwork::forward(const Forward& f) {
  if (slirp_add_hostfwd(slirp_, f.udp, address(f.host_address), f.host_port, address(f.guest_address),
                        f.guest_port) == 0)
    return {};
  return user_error(fmt::format("hostfwd: port {} of the host: {}", f.host_port, std::strerror(errno)));
}

void SlirpNetwork::send(Frame frame) {
  if (frame.size() <= kMaxFrame) slirp_input(slirp_, frame.data(), static_cast<int>(frame.size()));
}

void SlirpNetwork::prepare(std::vector<pollfd>& fds, int& timeout) {
  u32 wait = UINT32_MAX;
  slirp_pollfds_fill(slirp_, &wait, add_poll, &fds);
  for (const Timer& t : timers_)
    if (t.due >= 0) wait = static_cast<u32>(std::min<i64>(wait, std::max<i64>(t.due - now_ms(), 0)));
  timeout = wait > INT_MAX ? -1 : static_cast<int>(wait);
}

void SlirpNetwork::handle(std::span<const pollfd> fds) {
  slirp_pollfds_poll(slirp_, 0, events_of, &fds);
  for (Timer& t : timers_) {
    if (t.due < 0 || t.due > now_ms()) continue;
    t.due = -1;
    t.call(t.argument);
  }
}

}  // namespace tandem::devices
