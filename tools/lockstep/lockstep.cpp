#include "tools/lockstep/lockstep.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

namespace tandem::lockstep {

namespace {

constexpr u64 kWorthAThread = 10'000;  // instructions
constexpr u64 kLongestBlock = 64;

u64 next_multiple(u64 position, u64 step) { return position - position % step + step; }

}  // namespace

Result<std::unique_ptr<Side>> Lockstep::start(unsigned n) {
  TANDEM_TRY_ASSIGN(side, Side::create(specs_[n], maker_));
  if (!snapshot_.empty()) TANDEM_TRY(side->load(snapshot_, origin_));
  return side;
}

Result<Lockstep::Pair> Lockstep::start_both() {
  TANDEM_TRY_ASSIGN(first, start(0));
  TANDEM_TRY_ASSIGN(second, start(1));
  return Pair{std::move(first), std::move(second)};
}

// Stops wherever run() does: a stop cuts blocks, and so is a part of what runs.
Result<void> Lockstep::advance(Side& side, u64 to) {
  while (side.position() < to && !side.ended())
    TANDEM_TRY(side.advance(std::min(to, next_multiple(side.position(), options_.step))));
  return {};
}

Result<void> Lockstep::advance(Pair& pair, u64 to) {
  if (to - std::min(to, pair.first->position()) < kWorthAThread) {
    TANDEM_TRY(advance(*pair.first, to));
    return advance(*pair.second, to);
  }
  auto second = std::async(std::launch::async, [&] { return advance(*pair.second, to); });
  auto first = advance(*pair.first, to);
  TANDEM_TRY(second.get());
  return first;
}

Result<Comparison> Lockstep::differs(Pair& pair, bool memory) {
  return compare(*pair.first, *pair.second, {options_.lazy_flags, memory});
}

void Lockstep::count_translated(Pair& pair) {
  const std::map<std::string, u64> counters = pair.second->pc().machine().statistics();
  const auto value = [&](const char* name) {
    const auto it = counters.find(name);
    return it == counters.end() ? 0 : it->second;
  };
  translated_ += value("jit.retired");
  by_tier_2_ += value("jit.llvm.retired");
}

Result<void> Lockstep::take_snapshot(Pair& pair) {
  count_translated(pair);
  TANDEM_TRY_ASSIGN(saved, pair.first->pc().save());
  snapshot_ = std::move(saved);
  origin_ = pair.first->position();
  // New machines, as those of a search: what was translated so far is gone for both.
  pair = {};
  TANDEM_TRY_ASSIGN(again, start_both());
  pair = std::move(again);
  return {};
}

Result<Verdict> Lockstep::run(const Progress& progress) {
  TANDEM_TRY_ASSIGN(pair, start_both());
  u64 at = 0, equal = 0;
  for (bool ended = false; at < options_.instructions && !ended;) {
    at = std::min(next_multiple(at, options_.step), options_.instructions);
    TANDEM_TRY(advance(pair, at));
    ended = pair.first->ended() || pair.second->ended();
    const bool memory = ended || at == options_.instructions || at - equal >= options_.memory_step;
    TANDEM_TRY_ASSIGN(difference, differs(pair, memory));
    if (!difference.equal()) {
      pair = {};
      TANDEM_TRY_ASSIGN(finding, search(equal, at));
      if (!finding.repeats) finding.difference = std::move(difference);
      return Verdict{.instructions = at, .finding = std::move(finding)};
    }
    if (!memory) continue;
    equal = at;
    if (progress) progress(at);
    if (!ended && at - origin_ >= options_.snapshot_step) TANDEM_TRY(take_snapshot(pair));
  }
  count_translated(pair);
  const auto& end = pair.first->ended();
  return Verdict{.instructions = pair.first->position(),
                 .end = end ? end_text(*end) : "",
                 .translated = translated_,
                 .by_tier_2 = by_tier_2_};
}

// What differs when two new machines run to `to`, with a stop on the way.
Result<Comparison> Lockstep::probe(u64 stop, u64 to) {
  TANDEM_TRY_ASSIGN(pair, start_both());
  TANDEM_TRY(advance(pair, stop));
  TANDEM_TRY(advance(pair, to));
  return differs(pair, true);
}

Result<std::unique_ptr<Side>> Lockstep::first_at(u64 position) {
  TANDEM_TRY_ASSIGN(side, start(0));
  TANDEM_TRY(advance(*side, position));
  return side;
}

// Each probe is a run from the origin, stopped as run() stopped it and then once more: a search from nearer
// by would find other blocks, and these not yet translated.
Result<Finding> Lockstep::search(u64 equal, u64 different) {
  Finding found;
  TANDEM_TRY_ASSIGN(whole, probe(different, different));
  found.difference = std::move(whole);
  found.repeats = !found.difference.equal();
  found.seen_at = found.instruction = different;
  if (!found.repeats) return found;
  while (different - equal > 1) {
    const u64 middle = equal + (different - equal) / 2;
    TANDEM_TRY_ASSIGN(difference, probe(middle, middle));
    if (difference.equal()) {
      equal = middle;
      continue;
    }
    different = middle;
    found.difference = std::move(difference);
  }
  found.seen_at = found.instruction = different;
  TANDEM_TRY(narrow(found));
  return found;
}

// A stop inside a block has both machines interpret what is before it, and the rest becomes a block of its
// own. The last stop with which the difference is still seen is right before the guilty instruction.
Result<void> Lockstep::narrow(Finding& found) {
  const u64 end = found.seen_at;
  u64 guilty = end - std::min(end - origin_, kLongestBlock), innocent = end;
  found.narrowed = guilty == origin_;  // a stop at the origin is none
  for (u64 stop = end - 1; innocent - guilty > 1; stop = guilty + (innocent - guilty) / 2) {
    TANDEM_TRY_ASSIGN(difference, probe(stop, end));
    if (difference.equal()) {
      innocent = stop;
      continue;
    }
    guilty = stop;
    found.narrowed = true;
    found.difference = std::move(difference);
  }
  found.instruction = guilty + 1;
  return {};
}

}  // namespace tandem::lockstep
