// Going on and stopping.
#include <fmt/format.h>

#include <algorithm>

#include "core/debug/stub.h"

namespace tandem::debug {

using cpu::DebugHit;
using cpu::WatchKind;
using machine::Motion;

namespace {

constexpr std::string_view kBad = "E22", kOk = "OK";

// A thread-id: -1 all, 0 any, else a vCPU's number from 1 on.
std::optional<i64> take_thread(std::string_view& text) {
  if (take(text, "-1")) return -1;
  const std::optional<u64> id = take_hex(text);
  if (!id || *id > machine::kMaxVcpus) return std::nullopt;
  return static_cast<i64>(*id);
}

}  // namespace

std::string Stub::select_thread(std::string_view text) {
  if (text.empty()) return std::string(kBad);
  const char what = text[0];
  text.remove_prefix(1);
  const std::optional<i64> id = take_thread(text);
  if (!id || *id > static_cast<i64>(target_.vcpu_count())) return std::string(kBad);
  if (what == 'g') {
    if (*id > 0) vcpu_ = static_cast<u32>(*id - 1);
  } else if (what == 'c') {
    all_continue_ = *id <= 0;
    if (*id > 0) continued_ = static_cast<u32>(*id - 1);
  } else {
    return std::string(kBad);
  }
  return std::string(kOk);
}

// c or s, perhaps with an address: for the chosen thread; of the others, all go on or none.
std::string Stub::continue_or_step(std::string_view text) {
  const bool step = text[0] == 's';
  text.remove_prefix(1);
  const u32 which = all_continue_ ? vcpu_ : continued_;
  if (!text.empty()) {
    const std::optional<u64> address = take_hex(text);
    if (!address) return std::string(kBad);
    cpu::CpuState s = target_.state(which);
    s.rip = rip_of_linear(s, *address);
    target_.set_state(which, s);
  }
  std::vector<Motion> motions(target_.vcpu_count(), all_continue_ ? Motion::Run : Motion::Stay);
  motions[which] = step ? Motion::Step : Motion::Run;
  range_.reset();
  return go(motions);
}

std::string Stub::verbose(std::string_view text) {
  if (text == "Cont?") return "vCont;c;C;s;S;t;r";
  if (take(text, "Cont;")) return resume(text);
  if (text == "MustReplyEmpty") return "";
  return "";
}

// action[:thread][;action[:thread]]...: the leftmost that names a thread is its. Others stay.
std::string Stub::resume(std::string_view actions) {
  std::vector<Motion> motions(target_.vcpu_count(), Motion::Stay);
  std::vector<bool> told(target_.vcpu_count());
  range_.reset();
  while (!actions.empty()) {
    std::string_view action = actions.substr(0, actions.find(';'));
    actions.remove_prefix(std::min(action.size() + 1, actions.size()));
    if (action.empty()) return std::string(kBad);
    const char what = action[0];
    action.remove_prefix(1);
    Range range;
    if (what == 'C' || what == 'S') {
      if (!take_hex(action)) return std::string(kBad);
    } else if (what == 'r') {
      const std::optional<u64> start = take_hex(action);
      if (!start || !take(action, ",")) return std::string(kBad);
      const std::optional<u64> end = take_hex(action);
      if (!end) return std::string(kBad);
      range.start = *start;
      range.end = *end;
    } else if (what != 'c' && what != 's' && what != 't') {
      return std::string(kBad);
    }
    i64 thread = -1;
    if (take(action, ":")) {
      const std::optional<i64> id = take_thread(action);
      if (!id || *id > static_cast<i64>(target_.vcpu_count())) return std::string(kBad);
      thread = *id == 0 ? i64{vcpu_} + 1 : *id;
    }
    if (!action.empty()) return std::string(kBad);
    for (u32 i = 0; i < motions.size(); ++i) {
      if (told[i] || (thread >= 0 && thread != i64{i} + 1)) continue;
      told[i] = true;
      motions[i] = what == 't' ? Motion::Stay : what == 'c' || what == 'C' ? Motion::Run : Motion::Step;
      if (what != 'r') continue;
      range.vcpu = i;
      range_ = range;
    }
  }
  return go(motions);
}

std::string Stub::go(const std::vector<Motion>& motions) {
  const bool any = std::any_of(motions.begin(), motions.end(), [](Motion m) { return m != Motion::Stay; });
  if (!any) return std::string(kBad);
  if (const auto done = target_.resume(motions, points_); !done) return "E.errtext:" + done.error().message;
  motions_ = motions;
  running_ = true;
  return "";
}

// A step of a range that has not left it goes on by itself.
bool Stub::goes_on_in_range(const DebugStop& stop) {
  if (!range_ || stop.hit.kind != DebugHit::Kind::Step || stop.vcpu != range_->vcpu) return false;
  const u64 pc = linear_pc(target_.state(stop.vcpu));
  if (pc < range_->start || pc >= range_->end || points_.breakpoints.contains(pc)) return false;
  return target_.resume(motions_, points_).ok();
}

std::string Stub::news() {
  if (!running_) return "";
  const std::optional<DebugStop> stop = target_.take_stop();
  if (!stop || goes_on_in_range(*stop)) return "";
  running_ = false;
  range_.reset();
  vcpu_ = stop->vcpu;
  last_stop_ = stop_reply(*stop);
  return last_sent_ = frame(last_stop_);
}

std::string Stub::stop_reply(const DebugStop& stop) {
  return fmt::format("T05{}thread:{:x};", describe_hit(stop.hit), stop.vcpu + 1);
}

std::string Stub::describe_hit(const DebugHit& hit) const {
  switch (hit.kind) {
    case DebugHit::Kind::Step: return "";
    case DebugHit::Kind::Breakpoint:
      if (std::ranges::find(hardware_, hit.address) != hardware_.end()) return swbreak_ ? "hwbreak:;" : "";
      return swbreak_ ? "swbreak:;" : "";
    case DebugHit::Kind::Watchpoint: {
      const char* name = hit.watch == WatchKind::Write  ? "watch"
                         : hit.watch == WatchKind::Read ? "rwatch"
                                                        : "awatch";
      return fmt::format("{}:{:x};", name, hit.address);
    }
  }
  return "";
}

std::string Stub::farewell() {
  running_ = false;
  return frame("W00");
}

}  // namespace tandem::debug
