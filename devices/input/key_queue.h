// KeyQueue: a user's keys on their way to the guest. Of one thread.
#pragma once

#include <deque>
#include <set>
#include <utility>

#include "devices/input/input_sink.h"

namespace tandem::devices {

class KeyQueue {
 public:
  explicit KeyQueue(InputSink& input) : input_(input) {}

  // Keys come in their order, and what went down comes up. What a guest that reads no keys is sent is lost.
  void press(u16 key);
  void release(u16 key);
  void release_all();
  void send_waiting();  // now and then: those that the guest had no room for
  bool is_pressed(u16 key) const { return pressed_.contains(key); }

 private:
  void send(u16 key, bool pressed);

  static constexpr std::size_t kMostWaiting = 64;
  InputSink& input_;
  std::set<u16> pressed_;                     // keys that the guest has, or will have, as pressed
  std::deque<std::pair<u16, bool>> waiting_;  // that the guest had no room for
};

}  // namespace tandem::devices
