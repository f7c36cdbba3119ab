#include "jit/hosted/space.h"

#include <algorithm>

namespace tandem::jit {

using Region = interp::TierFrame::Region;

Window* HostedSpace::window_at(u64 linear) {
  const auto it = std::ranges::find(windows_, Window::key_of(linear), &Window::key);
  return it == windows_.end() ? nullptr : &*it;
}

bool HostedSpace::assign(u8 slot, u64 linear) {
  if (regions_[slot].key != Region{}.key) return regions_[slot].key == Window::key_of(linear);
  const Window* window = window_at(linear);
  if (!window) {
    std::optional<Window> added = Window::reserve(Window::key_of(linear));
    if (!added) return false;
    window = &windows_.emplace_back(std::move(*added));
  }
  regions_[slot] = {window->key(), window->addend()};
  return true;
}

std::optional<u8> HostedSpace::region_for(u64 linear) {
  for (u8 slot = 0; slot < regions_.size(); ++slot)
    if (regions_[slot].key == Window::key_of(linear)) return slot;
  for (u8 slot = 0; slot < regions_.size(); ++slot)
    if (regions_[slot].key == Region{}.key) return assign(slot, linear) ? std::optional(slot) : std::nullopt;
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
    std::size_t end = i + 1;
    while (end < dropped_.size() && dropped_[end] == dropped_[end - 1] + 1) ++end;
    const u64 linear = dropped_[i] << kPageShift;
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
