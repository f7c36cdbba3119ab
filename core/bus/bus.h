// Bus: who answers at which port or physical address.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/bus/io.h"

namespace tandem::bus {

struct IoRange {
  u64 start;
  u64 length;
  u8 widest = 8;  // bytes: wider accesses come one byte at a time, as to an 8-bit ISA card
};

// Answers accesses. Called by any vCPU thread with no bus lock held, so a handler takes its own lock, and may
// make or drop claims. It has to live until no vCPU runs any more: dropping its claim only ends new accesses.
class IoHandler {
 public:
  // Reads come with value = 0, writes with value cut to size.
  virtual void io(IoAccess& access) = 0;

 protected:
  ~IoHandler() = default;
};

// One more range of a device that has several: calls a member function.
template <class T>
class IoMember final : public IoHandler {
 public:
  using Method = void (T::*)(IoAccess&);
  IoMember(T& object, Method method) : object_(object), method_(method) {}
  void io(IoAccess& access) override { (object_.*method_)(access); }

 private:
  T& object_;
  Method method_;
};

class Bus;

// A place in a claim where a write says "look" and no more: any write; with a size, one of that size and
// value.
struct Bell {
  u64 offset;
  u8 size = 0;  // bytes; 0: any, of any value
  u64 value = 0;
  bool operator==(const Bell&) const = default;
};

// A bell where it is now. Who can do that may take such a write without stopping a vCPU: the handler then
// hears of it a little later, on another thread, once for several.
struct Doorbell {
  BusKind bus;
  u64 address;
  Bell bell;
  IoHandler* handler;
  bool operator==(const Doorbell&) const = default;
};

class DoorbellListener {
 public:
  // Bus::doorbells() may give others now. Changes none itself. [any-thread]
  virtual void doorbells_changed() noexcept = 0;

 protected:
  ~DoorbellListener() = default;
};

// Holds a range of a bus; lets go of it when destroyed. The bus must outlive it.
class Claim {
 public:
  Claim() = default;
  Claim(Claim&& o) noexcept : bus_(o.bus_), start_(o.start_) { o.bus_ = nullptr; }
  Claim& operator=(Claim&& o) noexcept;
  ~Claim() { release(); }
  void release();
  bool held() const { return bus_ != nullptr; }
  // In place of those before. They go with the claim. [any-thread]
  void set_doorbells(std::vector<Bell> bells);

 private:
  friend class Bus;
  Claim(Bus& bus, u64 start) : bus_(&bus), start_(start) {}
  Bus* bus_ = nullptr;
  u64 start_ = 0;
};

struct ClaimInfo {
  IoRange range;
  std::string owner;
};

class Bus {
 public:
  explicit Bus(BusKind kind) : kind_(kind) {}
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // Fails where the range overlaps another; the message names both owners. [any-thread]
  Result<Claim> claim(IoRange range, IoHandler& handler, std::string_view owner);
  // Unclaimed reads give all ones, unclaimed writes vanish; both are counted. An access that lies in more
  // than one claim, or is wider than its claim takes, is split into bytes. [any-thread]
  void dispatch(IoAccess& access);

  BusKind kind() const { return kind_; }
  u64 unclaimed() const { return unclaimed_.load(std::memory_order_relaxed); }
  std::vector<ClaimInfo> claims() const;
  std::vector<Doorbell> doorbells() const;
  void add_listener(DoorbellListener& listener);
  void remove_listener(DoorbellListener& listener);  // none of its calls is under way afterwards

 private:
  friend class Claim;
  struct Entry {
    IoRange range;
    IoHandler* handler;
    std::string owner;
    std::vector<Bell> doorbells;
  };
  void drop(u64 start);
  void set_doorbells(u64 start, std::vector<Bell> bells);
  void tell_listeners();
  const Entry* find(u64 address) const;  // needs mutex_
  void dispatch_bytes(IoAccess& access);

  BusKind kind_;
  mutable std::shared_mutex mutex_;
  std::vector<Entry> entries_;  // by start
  std::atomic<u64> unclaimed_ = 0;
  std::mutex listeners_mutex_;  // taken before mutex_
  std::vector<DoorbellListener*> listeners_;
};

}  // namespace tandem::bus
