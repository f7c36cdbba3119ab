// JitTier's part in tier 2: which blocks are hot, what becomes of them, and what leads to compiled regions.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/mmu/walk.h"
#include "core/semantics/host/availability.h"
#include "jit/runtime/jit_tier.h"
#include "jit/runtime/tier_state.h"

namespace tandem::jit {

using interp::Context;

namespace {

constexpr u64 kEntryRoom = 4 * KiB;  // more than a region's entry takes
constexpr u32 kHot = 2;              // samples of a block before a region is looked for
constexpr std::size_t kMostRegions = 512;
constexpr u32 kNeverAgain = ~u32{0};

unsigned vector_bytes(Context& c) {
  using semantics::Unit;
  if (semantics::unit_available(c, Unit::Avx512)) return 64;
  return semantics::unit_available(c, Unit::Avx) ? 32 : 16;
}

}  // namespace

// --- What the builder may know ----------------------------------------------------------------------------

class JitTier::Graph final : public BlockGraph {
 public:
  Graph(JitTier& tier, Context& context, u64 page, TranslationMode mode)
      : tier_(tier), context_(context), page_(page), mode_(mode) {}

  Translation* block_at(PlaceInRegion place) override {
    const u64 linear = page_ + static_cast<u64>(place);
    const std::optional<u64> physical = physical_page(page_of(linear));
    const auto page = physical ? tier_.by_page_.find(*physical) : tier_.by_page_.end();
    if (page == tier_.by_page_.end()) return nullptr;
    for (Translation* t : page->second)
      if (t->offset() == (linear & kPageMask) && is_for_regions(*t, mode_) && (t->moves || t->rip == linear))
        return t;
    return nullptr;
  }
  Translation* block_made_at(PlaceInRegion place) override {
    if (Translation* const t = block_at(place)) return t;
    const u64 linear = page_ + static_cast<u64>(place);
    return tier_.translate_unrun(context_, linear, mode_) ? block_at(place) : nullptr;
  }
  std::vector<PlaceInRegion> targets_of(const Translation& t, PlaceInRegion at) override {
    constexpr std::size_t kMost = 16;
    std::vector<std::pair<u32, PlaceInRegion>> by_count;
    if (const auto it = tier_.targets_.find(&t); it != tier_.targets_.end())
      for (const auto& [distance, count] : it->second) by_count.emplace_back(count, distance);
    std::ranges::sort(by_count, std::greater{});
    std::vector<PlaceInRegion> targets;
    const PlaceInRegion page = at & ~static_cast<PlaceInRegion>(kPageMask);
    for (const auto& [count, distance] : by_count)
      if (targets.size() < kMost) targets.push_back(page + distance);
    if (targets.empty())
      if (const auto there = stored_target(t, at)) targets.push_back(*there);
    return targets;
  }

 private:
  std::optional<u64> physical_page(u64 linear) {
    const auto [it, is_new] = pages_.try_emplace(linear);
    if (is_new) it->second = code_page(context_, linear);
    return it->second;
  }

  // Of a branch by a pointer at a fixed distance from the code, as in linkage tables: where it leads now.
  std::optional<PlaceInRegion> stored_target(const Translation& t, PlaceInRegion at) {
    const isa::Insn& last = t.block->insns[t.block->count - 1];
    if (last.op != isa::Op::JMP_INDIRECT && last.op != isa::Op::CALL_INDIRECT) return {};
    if (last.kind[0] != isa::OperandKind::Mem || last.base != isa::kRipOffset) return {};
    const u64 pointer = page_ + static_cast<u64>(at + last.disp);
    if (!is_canonical(pointer) || (pointer & kPageMask) > kPageSize - sizeof(u64)) return {};
    const cpu::GuestFault before = context_.fault;
    mmu::Translation translation;
    const bool there = mmu::translate(context_, pointer, mmu::Access::Read, context_.privilege, translation);
    context_.fault = before;
    if (!there) return {};
    return static_cast<PlaceInRegion>(context_.memory->read_value<u64>(Gpa{translation.physical}) - page_);
  }

  JitTier& tier_;
  Context& context_;
  u64 page_;
  TranslationMode mode_;
  std::map<u64, std::optional<u64>> pages_;  // physical, by linear address
};

bool JitTier::is_for_regions(const Translation& t, TranslationMode mode) {
  return t.valid && t.hosted && t.mode == mode && !t.block->crosses() &&
         (t.block->key.mode & interp::kCodeSize) == 8;
}

// --- Samples ----------------------------------------------------------------------------------------------

void JitTier::start_sampling(Context& c) {
  if (!sampler_) {
    sampler_ = std::make_unique<Sampler>(*arena_, c);
    finished_ = std::make_shared<FinishedRegions>(
        [&c] { c.requests.fetch_or(cpu::kRequestProfile, std::memory_order_relaxed); });
    worker_->get_ready();
  }
  sampler_->start();
}

std::optional<JitTier::Code> JitTier::code_of(const Sample& sample) {
  const auto* const pc = reinterpret_cast<const u8*>(sample.pc);
  if (translations_.empty() || pc < translations_.front()->code) return {};
  Translation& t = *site_at(pc).in;
  if (!t.contains(pc)) return {};
  return Code{&t, t.moves ? sample.page : page_of(t.rip)};
}

void JitTier::note_branch(const Sample& sample) {
  if (sample.branch_site >= sites_.size()) return;
  const Site& site = sites_[sample.branch_site];
  if ((site.insn & kSiteInsn) + 1u != site.in->block->count) return;
  note_target(*site.in, static_cast<PlaceInRegion>(sample.branch_target - page_of(site.in->rip)));
}

void JitTier::note_target(const Translation& t, PlaceInRegion distance) {
  constexpr std::size_t kMost = 64;
  std::map<PlaceInRegion, u32>& targets = targets_[&t];
  if (targets.size() < kMost || targets.contains(distance)) ++targets[distance];
}

// Now and then: what was compiled becomes part of the code, and what is hot is sent to be.
void JitTier::look_at_samples(Context& c) {
  dead_.clear();
  start_sampling(c);
  if (c.mode.cpl == 3 && sampler_->has_user_ns()) hosted_.took(sampler_->take_user_ns());
  if (!hosted_.active()) return;
  if (finished_->any()) take_finished();
  if (std::exchange(one_was_entered_enough_, false)) drop_what_does_not_pay();
  look_in_store(c);
  if (!sampler_->has_enough()) return;
  ++batch_;
  follow_trial();
  std::vector<Code> hot;
  for (const Sample& s : sampler_->samples()) {
    note_branch(s);
    const std::optional<Code> code = code_of(s);
    if (!code) continue;
    if (++weights_[code->t] >= kHot) hot.push_back(*code);
  }
  sampler_->clear();
  for (const Code& code : hot) want_region(c, code);
  for (auto& [t, weight] : weights_) weight /= 2;
  std::erase_if(weights_, [](const auto& w) { return w.second == 0; });
}

// --- From hot code to a region ----------------------------------------------------------------------------

// One that was given up may have left for blocks that were not known then. In an earlier run, too.
bool JitTier::may_try(Context& c, const BuiltRegion& built) const {
  const Translation& head = *built.blocks[0];
  if (head.region || (head.given_up_until > batch_ && built.blocks.size() <= head.given_up_blocks))
    return false;
  const auto failed_as_large = [&](const auto& outline) {
    return outline->verdict == RegionVerdict::Fails && outline->blocks.size() >= built.blocks.size() &&
           std::ranges::equal(outline->blocks[0].bytes, head.block->code);
  };
  return std::ranges::none_of(worker_->stored_with(settings_for(c, head), head.offset(), head.block->code),
                              failed_as_large);
}

void JitTier::want_region(Context& c, const Code& hot) {
  Translation& t = *hot.t;
  const TranslationMode mode = t.mode;
  if (!is_for_regions(t, mode) || t.region || t.retry_at > batch_ || regions_.size() >= kMostRegions) return;
  // Where it is part of one already, that one's head may not be come to.
  const bool inner = !t.in_regions.empty();
  const auto is_waited_for = [](const Region* region) { return !region->code.run; };
  if (inner && std::ranges::any_of(t.in_regions, is_waited_for)) return;
  constexpr u32 kPatience = 4;
  t.retry_at = batch_ + kPatience;
  if (inner && ++t.tries < kPatience) return;
  Graph graph(*this, c, hot.page, mode);
  if (graph.block_at(static_cast<PlaceInRegion>(t.offset())) != &t) return;
  RegionBuilder builder(graph);
  std::optional<BuiltRegion> built = builder.loop_of(t, inner);
  if (built && !inner && !may_try(c, *built)) built = builder.loop_of(t, true);
  if (!built || !may_try(c, *built)) {
    t.retry_at = batch_ + (kPatience << std::min(++t.tries, 16u));
    return;
  }
  submit(c, std::move(*built));
}

void JitTier::look_in_store(Context& c) {
  for (const Sample& s : sampler_->new_samples())
    if (const std::optional<Code> code = code_of(s)) want_stored_region(c, *code);
}

// A region of an earlier run that it is part of, and that paid.
void JitTier::want_stored_region(Context& c, const Code& hot) {
  Translation& t = *hot.t;
  constexpr u8 kMostTries = 4;
  if (!is_for_regions(t, t.mode) || !t.in_regions.empty() || regions_.size() >= kMostRegions) return;
  if (t.tries_in_store == kMostTries) return;
  const RegionIndex::Outlines outlines = worker_->stored_with(settings_for(c, t), t.offset(), t.block->code);
  if (outlines.empty()) return;
  ++t.tries_in_store;
  Graph graph(*this, c, hot.page, t.mode);
  if (graph.block_at(static_cast<PlaceInRegion>(t.offset())) != &t) return;
  for (const auto& outline : outlines) {
    if (outline->verdict != RegionVerdict::Pays) continue;
    std::optional<BuiltRegion> built = RegionBuilder(graph).as_stored(*outline, t);
    if (!built || !may_try(c, *built)) continue;
    return submit(c, std::move(*built));
  }
}

void JitTier::submit(Context& c, BuiltRegion built) {
  std::unique_ptr<Region> region = make_region(c, built);
  const u64 id = ++last_region_;
  if (!worker_->submit(id, std::move(built.plan), Layout(c), finished_)) return drop(*region);
  pending_.emplace(id, std::move(region));
}

void JitTier::compile_at_once(Context& c, Translation& t) {
  if (!is_for_regions(t, t.mode)) return;
  Graph graph(*this, c, page_of(c.state.rip), t.mode);
  std::optional<BuiltRegion> built = RegionBuilder(graph).some_from(t);
  if (!built) return;
  std::unique_ptr<Region> region = make_region(c, *built);
  finish(std::move(region), worker_->compile_now(built->plan, Layout(c)));
}

PlanSettings JitTier::settings_for(Context& c, const Translation& t) const {
  return {.widest_vector = vector_bytes(c),
          .limited = t.limited,
          .exact_count = options_.exact_count,
          .exact_flags = options_.exact_flags};
}

std::unique_ptr<Region> JitTier::make_region(Context& c, BuiltRegion& built) {
  auto region = std::make_unique<Region>();
  region->blocks = std::move(built.blocks);
  for (std::size_t n = 0; n < region->blocks.size(); ++n) {
    Translation& t = *region->blocks[n];
    region->places.push_back(built.plan.blocks[n].at);
    t.in_regions.push_back(region.get());
    const PlaceInRegion distance = built.plan.blocks[n].at & ~static_cast<PlaceInRegion>(kPageMask);
    if (std::ranges::find(region->pages, distance, &Region::Page::distance) == region->pages.end())
      region->pages.push_back({distance, t.block->key.physical >> kPageShift});
  }
  built.plan.settings = settings_for(c, region->head());
  return region;
}

void JitTier::take_finished() {
  for (FinishedRegions::Finished& f : finished_->take()) {
    const auto it = pending_.find(f.id);
    if (it == pending_.end()) continue;
    std::unique_ptr<Region> region = std::move(it->second);
    pending_.erase(it);
    finish(std::move(region), std::move(f.region));
  }
}

void JitTier::finish(std::unique_ptr<Region> region, Result<CompiledRegion> code) {
  if (!code) fmt::print(stderr, "tandem: {}\n", code.error().message);
  if (!code || arena_->room() < kEntryRoom || region->head().region) {
    region->head().retry_at = kNeverAgain;
    return drop(*region);
  }
  region->code = code.take();
  const RegionVerdict before = options_.llvm_now ? RegionVerdict::Pays : region->code.verdict;
  if (before == RegionVerdict::Fails) return give_up(*region);
  region->proven = before == RegionVerdict::Pays;
  ++region_figures_.compiled;
  region_figures_.stored += region->code.was_stored;
  region_figures_.code_bytes += region->code.code_bytes;
  install(*region);
  regions_.push_back(std::move(region));
  gather_refusals();
}

// --- Ways in ----------------------------------------------------------------------------------------------

void JitTier::install(Region& region) {
  Translation& t = region.head();
  const u32 site = new_site(t, kRegion);
  const std::span<const u8> code = translator_->region_entry(t, site, tables_[t.mode_index].table.entries(),
                                                             arena_->next(), region.entries);
  ensure(arena_->append(code), "room was kept for a region's entry");
  t.region = &region;
  use(region);
}

void JitTier::use(Region& region) {
  if (region.in_use) return;
  Translation& t = region.head();
  // Whatever jump table's entry leads to its own code.
  std::copy_n(t.code + t.checked_entry, region.replaced.size(), region.replaced.begin());
  *arena_->writable(t.code + t.checked_entry) = 0xe9;
  patch(t.code + t.checked_entry + 1, region.entries.checked);
  lead_to(t, region.entries);
  region.in_use = true;
}

void JitTier::use_no_more(Region& region) {
  if (!region.in_use) return;
  Translation& t = region.head();
  std::ranges::copy(region.replaced, arena_->writable(t.code + t.checked_entry));
  lead_to(t, t.own_entries());
  region.in_use = false;
}

void JitTier::lead_to(Translation& t, const EntryPoints& entries) {
  t.entries = entries;
  for (const u32 first : {t.incoming, t.incoming_across})
    for (u32 id = first; id != kNoLink; id = links_[id].next_incoming)
      point(links_[id], entry_for(links_[id], entries));
}

// Nothing leads to it any more. It may be running: it is kept until the next look at samples.
void JitTier::drop(Region& region) {
  for (Translation* t : region.blocks) std::erase(t->in_regions, &region);
  Translation& t = region.head();
  if (t.region == &region) {
    t.region = nullptr;
    use_no_more(region);
    ++region_figures_.dropped;
  }
  if (trial_ && trial_->region == &region) trial_.reset();
  const auto is_it = [&](const std::unique_ptr<Region>& r) { return r.get() == &region; };
  if (const auto it = std::ranges::find_if(regions_, is_it); it != regions_.end()) {
    dead_.push_back(std::move(*it));
    regions_.erase(it);
  }
  std::erase_if(pending_, [&](const auto& p) { return is_it(p.second); });
  gather_refusals();
}

void JitTier::gather_refusals() {
  refusals_.clear();
  for (const auto& r : regions_)
    refusals_.insert(refusals_.end(), r->code.refusals.begin(), r->code.refusals.end());
  std::ranges::sort(refusals_, {}, &Refusal::pc);
}

std::optional<u64> JitTier::way_out(u64 pc) const {
  const auto it = std::ranges::lower_bound(refusals_, pc, {}, &Refusal::pc);
  return it != refusals_.end() && it->pc == pc ? std::optional(it->to) : std::nullopt;
}

void JitTier::report_regions(const cpu::Vcpu::Report& report) const {
  const RegionFigures& f = region_figures_;
  report("jit.llvm.retired", f.retired);
  report("jit.llvm.regions", f.compiled);
  report("jit.llvm.stored_regions", f.stored);
  report("jit.llvm.dropped", f.dropped);
  report("jit.llvm.failed", f.failed);
  report("jit.llvm.entries", f.entries);
  report("jit.llvm.refused", f.refused);
  report("jit.llvm.sites", f.sites);
  report("jit.llvm.code_bytes", f.code_bytes);
  for (const auto& [step, figure] : worker_->figures()) {
    report(fmt::format("jit.llvm.{}.ns", step), figure.ns);
    report(fmt::format("jit.llvm.{}.runs", step), figure.runs);
  }
}

}  // namespace tandem::jit
