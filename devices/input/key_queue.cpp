#include "devices/input/key_queue.h"

namespace tandem::devices {

void KeyQueue::press(u16 key) {
  if (waiting_.size() >= kMostWaiting) return;
  pressed_.insert(key);
  send(key, true);
}

void KeyQueue::release(u16 key) {
  if (pressed_.erase(key)) send(key, false);
}

void KeyQueue::release_all() {
  while (!pressed_.empty()) release(*pressed_.begin());
}

void KeyQueue::send(u16 key, bool pressed) {
  waiting_.emplace_back(key, pressed);
  send_waiting();
}

void KeyQueue::send_waiting() {
  while (!waiting_.empty() && input_.key(waiting_.front().first, waiting_.front().second))
    waiting_.pop_front();
}

}  // namespace tandem::devices
