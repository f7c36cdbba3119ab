// Turns: the vCPUs of one machine run all at once, or one of them alone, between two instructions of the
// others.
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>
#include <vector>

#include "core/machine/gate.h"

namespace tandem::verify {

class Turns {
 public:
  // kick: makes it come to pass() soon. [any-thread]
  void add(const void* who, std::function<void()> kick) {
    std::lock_guard lock(mutex_);
    members_.push_back({who, std::move(kick)});
  }
  void remove(const void* who) {
    std::lock_guard lock(mutex_);
    std::erase_if(members_, [who](const Member& m) { return m.who == who; });
  }
  std::size_t count() {
    std::lock_guard lock(mutex_);
    return members_.size();
  }

  // [vcpu-thread] Around all that runs guest code, and in between.
  void enter() { gate_.enter(kGoes); }
  void leave() { gate_.leave(); }
  void pass() { gate_.pass(kGoes); }
  // [vcpu-thread] Between enter() and leave().
  template <class F>
  auto alone(const void* who, F f) {
    gate_.leave();
    const auto result = [&] {
      const std::lock_guard turn(one_at_a_time_);
      gate_.shut([&] { kick_all_but(who); });
      auto value = f();
      gate_.open([] {});
      return value;
    }();
    gate_.enter(kGoes);
    return result;
  }

 private:
  struct Member {
    const void* who;
    std::function<void()> kick;
  };
  void kick_all_but(const void* who) {
    std::lock_guard lock(mutex_);
    for (const Member& m : members_)
      if (m.who != who) m.kick();
  }

  inline static const std::atomic<bool> kGoes = false;
  machine::Gate gate_;
  std::mutex one_at_a_time_;  // taken before mutex_
  std::mutex mutex_;
  std::vector<Member> members_;
};

}  // namespace tandem::verify
