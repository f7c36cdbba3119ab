// NetBackend: the host's end of a network adapter, with a thread of its own. What the network is (libslirp, a
// tap device) is a Network.
#pragma once

#include <poll.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "devices/backend/net/forward.h"
#include "devices/backend/net/pcap_file.h"

namespace tandem::devices {

using Frame = std::span<const u8>;  // an Ethernet frame, without its check sequence
using FrameSink = std::function<void(Frame)>;

inline constexpr u64 kMaxFrame = 65535 + 14;

// The adapter's end. Called on the back end's thread.
class NetPort {
 public:
  // A frame for the guest. False: there is no room for it now.
  virtual bool deliver(Frame frame) = 0;
  // Gives all that the guest sends to `out`, which may call deliver().
  virtual void collect(const FrameSink& out) = 0;

 protected:
  ~NetPort() = default;
};

struct NetTraits {
  u16 mtu = 1500;
  bool large_segments = false;  // takes TCP segments that are larger than the MTU
  bool good_checksums = false;  // of all that arrives: a guest need not look
};

// One network. Used by one thread at a time.
class Network {
 public:
  virtual ~Network() = default;
  // Before all others: where frames for the guest go. It is called in send() and in handle().
  virtual void connect(FrameSink to_guest) = 0;
  virtual void send(Frame frame) = 0;
  // What to wait for, and how long at most (ms; -1: for ever); then what came.
  virtual void prepare(std::vector<pollfd>& fds, int& timeout) = 0;
  virtual void handle(std::span<const pollfd> fds) = 0;
  virtual Result<void> forward(const Forward& what) = 0;
  virtual NetTraits traits() const = 0;
};

class NetBackend {
 public:
  explicit NetBackend(std::unique_ptr<Network> network, std::unique_ptr<PcapFile> capture = {});
  ~NetBackend();

  NetTraits traits() const { return network_->traits(); }
  // Null stops all traffic, and returns only when no call into the old port is under way.
  void attach(NetPort* port);
  // There is something to collect, or room again. [any-thread]
  void wake();
  // A port of the host leads into the guest from here on. [any-thread]
  Result<void> forward(const Forward& what);

 private:
  void run();
  void to_guest(Frame frame);
  void serve_port();
  void wait(std::unique_lock<std::mutex>& lock);

  const int wake_fd_;
  std::atomic<bool> asleep_ = false;
  std::mutex mutex_;  // guards all below; the thread holds it but while it waits
  std::unique_ptr<Network> network_;
  std::unique_ptr<PcapFile> capture_;
  NetPort* port_ = nullptr;
  std::deque<std::vector<u8>> backlog_;  // for the guest
  u64 backlog_bytes_ = 0;
  std::vector<pollfd> fds_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tandem::devices
