#include "jit/hosted/space.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::jit {

using Region = interp::TierFrame::Region;

Window* HostedSpace::window_at(u64 linear) {
  const auto it = std::ranges::find(windows_, Window::key_of(linear), &Window::key);
  return it == windows_.end() ? nullptr : &*it;
}

// Where GS puts the addresses of one process is so chosen that both ends of the lower half, programs and
// stacks, find room about the emulator's own memory.
bool HostedSpace::set_up(u64 linear) {
  // The other end of the scale is no round number, which wild pointers more often are.
  constexpr u64 kUpperQuarter = u64{1} << 46, kFirst = u64{0x2c} << 40, kLow = u64{0x135b} << 32;
  constexpr u64 kStep = Window::kBytes + 4 * Window::kGuard, kTries = 400;
  const u64 key = Window::key_of(linear);
  const bool is_upper = linear >= kUpperQuarter && linear < 2 * kUpperQuarter;
  for (u64 n = 0; n < kTries && windows_.empty(); ++n) {
    const u64 base =
        is_upper ? -(kFirst + n * kStep) : kLow + n * kStep - (key << interp::TierFrame::kRegionShift);
    if (sign_extend_from(base, 48) != base) break;
    if (auto window = Window::reserve_with(key, base)) {
      gs_base_ = base;
      windows_.push_back(std::move(*window));
    }
  }
  if (windows_.empty()) return linear != 0 && set_up(0);
  return assign(interp::TierFrame::kStackRegion, linear);
}

// For what is to be reached by GS: only a window that lies there.
Window* HostedSpace::window_for(u64 linear, bool in_gs) {
  if (Window* window = window_at(linear)) return !in_gs || window->addend() == gs_base_ ? window : nullptr;
  const u64 key = Window::key_of(linear);
  if (auto window = Window::reserve_with(key, gs_base_)) return &windows_.emplace_back(std::move(*window));
  if (in_gs) return nullptr;
  auto window = Window::reserve(key);
  return window ? &windows_.emplace_back(std::move(*window)) : nullptr;
}

bool HostedSpace::assign(u8 slot, u64 linear) {
  if (regions_[slot].key != Region{}.key) return regions_[slot].key == Window::key_of(linear);
  const Window* window = window_for(linear, slot >= interp::TierFrame::kFirstInGs);
  if (!window) return false;
  regions_[slot] = {window->key(), window->addend()};
  return true;
}

std::optional<u8> HostedSpace::region_for(u64 linear) {
  constexpr u8 kSlots = interp::TierFrame::kRegions, kFirst = interp::TierFrame::kFirstInGs;
  const auto turn = [](u8 n) { return static_cast<u8>((n + kFirst) % kSlots); };
  for (u8 n = 0; n < kSlots; ++n)
    if (regions_[turn(n)].key == Window::key_of(linear)) return turn(n);
  for (u8 n = 0; n < kSlots; ++n)
    if (turn(n) != 0 && regions_[turn(n)].key == Region{}.key && assign(turn(n), linear)) return turn(n);
  return {};
}

std::optional<u64> HostedSpace::linear_of(u64 host) const {
  for (const Window& w : windows_)
    if (w.has_host(host)) return host - w.addend();
  return {};
}

bool HostedSpace::continues(u64 linear_page, const Page& p) const {
  const auto before = pages_.find(linear_page - 1);
  return before != pages_.end() && before->second.number + 1 == p.number &&
         before->second.writable == p.writable;
}

void HostedSpace::add(u64 linear_page, const Page& p) {
  forget(linear_page);
  const auto next = pages_.find(linear_page + 1);
  if (next != pages_.end() && p.number + 1 == next->second.number && p.writable == next->second.writable)
    --pieces_;
  if (!continues(linear_page, p)) ++pieces_;
  pages_.emplace(linear_page, p);
  if (p.writable) writable_.emplace(p.number, linear_page);
}

void HostedSpace::forget(u64 linear_page) {
  const auto it = pages_.find(linear_page);
  if (it == pages_.end()) return;
  const auto next = pages_.find(linear_page + 1);
  if (next != pages_.end() && continues(linear_page + 1, next->second)) ++pieces_;
  if (!continues(linear_page, it->second)) --pieces_;
  const auto [from, to] = writable_.equal_range(it->second.number);
  const auto mine = std::find_if(from, to, [&](const auto& w) { return w.second == linear_page; });
  if (mine != to) writable_.erase(mine);
  pages_.erase(it);
}

bool HostedSpace::map(const PageRun& run) {
  if (all_dropped_) settle();
  Window* window = window_at(run.linear);
  if (!window || !window->map(run.linear, run.pages * kPageSize, memory_, run.offset, run.writable))
    return false;
  const u64 first = run.linear >> kPageShift;
  std::erase_if(dropped_, [&](u64 page) { return page - first < run.pages; });
  for (u64 i = 0; i < run.pages; ++i) add(first + i, {(run.offset >> kPageShift) + i, run.writable});
  return true;
}

bool HostedSpace::maps_any(u64 first_page, u64 count) const {
  const auto it = pages_.lower_bound(first_page);
  return it != pages_.end() && it->first - first_page < count;
}

void HostedSpace::drop(u64 first_page, u64 count) {
  for (auto it = pages_.lower_bound(first_page); it != pages_.end() && it->first - first_page < count;) {
    const u64 page = it->first;
    ++it;
    forget(page);
    dropped_.push_back(page);
  }
}

void HostedSpace::drop_all() {
  pages_.clear();
  writable_.clear();
  dropped_.clear();
  pieces_ = 0;
  all_dropped_ = !windows_.empty();
}

void HostedSpace::protect(u64 page) {
  for (auto it = writable_.find(page); it != writable_.end(); it = writable_.find(page)) drop(it->second, 1);
}

u32 HostedSpace::settle() {
  if (dropped_.empty() && !all_dropped_) [[likely]]
    return 0;
  u32 calls = 0;
  std::ranges::sort(dropped_);
  for (std::size_t i = 0; i < dropped_.size() && !all_dropped_; ++calls) {
    const u64 linear = dropped_[i] << kPageShift;
    const auto is_next = [&](std::size_t n) {
      return dropped_[n] == dropped_[n - 1] + 1 &&
             Window::key_of(dropped_[n] << kPageShift) == Window::key_of(linear);
    };
    std::size_t end = i + 1;
    while (end < dropped_.size() && is_next(end)) ++end;
    Window* window = window_at(linear);
    if (window && !window->unmap(linear, (end - i) * kPageSize)) drop_all();
    i = end;
  }
  if (all_dropped_) {
    for (Window& w : windows_) w.unmap_all();
    calls += static_cast<u32>(windows_.size());
  }
  all_dropped_ = false;
  dropped_.clear();
  return calls;
}

}  // namespace tandem::jit
