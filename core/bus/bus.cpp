#include "core/bus/bus.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::bus {

Claim& Claim::operator=(Claim&& o) noexcept {
  if (this != &o) {
    release();
    bus_ = o.bus_;
    start_ = o.start_;
    o.bus_ = nullptr;
  }
  return *this;
}

void Claim::release() {
  if (bus_) bus_->drop(start_);
  bus_ = nullptr;
}

void Claim::set_doorbells(std::vector<Bell> bells) {
  if (bus_) bus_->set_doorbells(start_, std::move(bells));
}

Result<Claim> Bus::claim(IoRange range, IoHandler& handler, std::string_view owner) {
  const u64 last = range.start + range.length - 1;
  const char* kind = kind_ == BusKind::Pio ? "ports" : "addresses";
  if (range.length == 0 || last < range.start || (kind_ == BusKind::Pio && last > 0xffff))
    return host_error(fmt::format("{} claims no valid range of {}", owner, kind));
  std::unique_lock lock(mutex_);
  const auto next = std::partition_point(entries_.begin(), entries_.end(),
                                         [&](const Entry& e) { return e.range.start <= last; });
  if (next != entries_.begin()) {
    const Entry& before = *(next - 1);
    const u64 before_last = before.range.start + before.range.length - 1;
    if (before_last >= range.start)
      return host_error(fmt::format("{} {:#x}-{:#x} of {} overlap {:#x}-{:#x} of {}", kind, range.start, last,
                                    owner, before.range.start, before_last, before.owner));
  }
  entries_.insert(next, Entry{range, &handler, std::string(owner), {}});
  return Claim(*this, range.start);
}

void Bus::drop(u64 start) {
  bool rang = false;
  {
    std::unique_lock lock(mutex_);
    const auto gone = std::ranges::find(entries_, start, [](const Entry& e) { return e.range.start; });
    rang = !gone->doorbells.empty();
    entries_.erase(gone);
  }
  if (rang) tell_listeners();
}

void Bus::set_doorbells(u64 start, std::vector<Bell> bells) {
  {
    std::unique_lock lock(mutex_);
    const auto entry = std::ranges::find(entries_, start, [](const Entry& e) { return e.range.start; });
    if (entry->doorbells == bells) return;
    entry->doorbells = std::move(bells);
  }
  tell_listeners();
}

std::vector<Doorbell> Bus::doorbells() const {
  std::shared_lock lock(mutex_);
  std::vector<Doorbell> all;
  for (const Entry& e : entries_)
    for (const Bell& bell : e.doorbells) all.push_back({kind_, e.range.start + bell.offset, bell, e.handler});
  return all;
}

void Bus::add_listener(DoorbellListener& listener) {
  std::lock_guard lock(listeners_mutex_);
  listeners_.push_back(&listener);
}

void Bus::remove_listener(DoorbellListener& listener) {
  std::lock_guard lock(listeners_mutex_);
  std::erase(listeners_, &listener);
}

void Bus::tell_listeners() {
  std::lock_guard lock(listeners_mutex_);
  for (DoorbellListener* l : listeners_) l->doorbells_changed();
}

const Bus::Entry* Bus::find(u64 address) const {
  const auto next = std::partition_point(entries_.begin(), entries_.end(),
                                         [&](const Entry& e) { return e.range.start <= address; });
  if (next == entries_.begin()) return nullptr;
  const Entry& e = *(next - 1);
  return address - e.range.start < e.range.length ? &e : nullptr;
}

void Bus::dispatch(IoAccess& access) {
  const u64 mask = low_mask(access.size * 8u);
  IoHandler* handler = nullptr;
  bool whole = true;
  {
    std::shared_lock lock(mutex_);
    const Entry* first = find(access.address);
    const Entry* last = access.size == 1 ? first : find(access.address + access.size - 1);
    whole = first == last && (!first || access.size <= first->range.widest);
    if (first && whole) {
      handler = first->handler;
      access.offset = access.address - first->range.start;
    }
  }
  if (!whole) return dispatch_bytes(access);
  const bool read = access.dir == IoDir::Read;
  if (!handler) {
    unclaimed_.fetch_add(1, std::memory_order_relaxed);
    if (read) access.value = mask;
    return;
  }
  access.value = read ? 0 : access.value & mask;
  handler->io(access);
  if (read) access.value &= mask;
}

void Bus::dispatch_bytes(IoAccess& access) {
  u64 value = 0;
  for (unsigned i = 0; i < access.size; ++i) {
    IoAccess one = access;
    one.size = 1;
    one.address = access.address + i;
    one.value = access.value >> (8 * i) & 0xff;
    dispatch(one);
    value |= one.value << (8 * i);
  }
  if (access.dir == IoDir::Read) access.value = value;
}

std::vector<ClaimInfo> Bus::claims() const {
  std::shared_lock lock(mutex_);
  std::vector<ClaimInfo> all;
  for (const Entry& e : entries_) all.push_back({e.range, e.owner});
  return all;
}

}  // namespace tandem::bus
