#include "jit/runtime/jit_tier.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/isa/op.h"
#include "core/semantics/host/host_signals.h"
#include "jit/dump/block_text.h"
#include "jit/runtime/host_thread.h"
#include "jit/runtime/tier_state.h"

namespace tandem::jit {

using cpu::Step;
using interp::Block;
using interp::Context;

namespace {

constexpr std::size_t kMaxModes = 32;
// As many as a Linux that boots makes: what grows is copied, and memory that is not used yet costs nothing.
constexpr std::size_t kUsualLinks = 1 << 17, kUsualSites = 1 << 18;

}  // namespace

Result<std::unique_ptr<JitTier>> JitTier::create(JitOptions options, std::shared_ptr<CodeObserver> observer,
                                                 std::shared_ptr<RegionWorker> worker) {
  TANDEM_TRY_ASSIGN(arena, semantics::CodeArena::create(options.cache_bytes));
  TANDEM_TRY_ASSIGN(cells, PageCells::create());
  TANDEM_TRY_ASSIGN(link_cells, LinkCells::create());
  semantics::install_signal_handlers();
  return std::unique_ptr<JitTier>(new JitTier(std::move(options), std::move(arena), std::move(observer),
                                              std::move(worker), std::move(cells), std::move(link_cells)));
}

JitTier::~JitTier() {
  if (finished_) finished_->forget_reader();
}

u32 JitTier::new_site(Translation& in, u16 insn) {
  sites_.push_back({&in, insn});
  return static_cast<u32>(sites_.size() - 1);
}

u32 JitTier::new_link(const Link& link) {
  links_.push_back(link);
  return static_cast<u32>(links_.size() - 1);
}

// Brings stubs and frame up to date with the context. False: this CPU state is not for translated code.
bool JitTier::prepare(Context& c) {
  if (!options_.base || c.alignment_checks) return false;
  if (!translator_) {
    stubs_ = make_stubs(*arena_, c);
    first_block_ = arena_->used();
    links_.reserve(kUsualLinks);
    sites_.reserve(kUsualSites);
    translator_ = std::make_unique<Translator>(c, stubs_, static_cast<Ids&>(*this), options_);
    host_frame_.fault_exit = reinterpret_cast<u64>(stubs_.signal);
    c.tier.context = reinterpret_cast<u64>(&c);
    c.tier.on_site = reinterpret_cast<u64>(&on_site);
    c.tier.x87_load = reinterpret_cast<u64>(&load_x87);
    c.tier.x87_save = reinterpret_cast<u64>(&save_x87);
    c.upper = this;
  }
  const u64 xcr0 = c.state.cr4 & cpu::kCr4Osxsave ? c.state.xcr0 : 0;
  const Stubs::Vectors& v = (xcr0 & cpu::kXfeatureAvx512) == cpu::kXfeatureAvx512 ? stubs_.avx512
                            : xcr0 & cpu::kXfeatureAvx                            ? stubs_.avx
                                                                                  : stubs_.sse;
  c.tier.vector_load = reinterpret_cast<u64>(v.load);
  c.tier.vector_load_all = reinterpret_cast<u64>(v.load_all);
  c.tier.vector_enter = reinterpret_cast<u64>(v.enter);
  c.tier.vector_save = reinterpret_cast<u64>(v.save);
  c.tier.host_tsc_offset = c.host_tsc_offset.value_or(0);
  if (c.mode.code_size != 8) segment_uses_.follow(c);
  account(c);
  if (hosted_.enter(c)) set_window_base(hosted_.gs_base());
  follow_mappings(c);
  return true;
}

// Code that does not move looks after itself by its cells.
void JitTier::follow_mappings(Context& c) {
  drop_pages(c);  // global ones outlive a change of the address space
  if (generation_ == c.mapping_generation) return;
  ++figures_.table_clears;
  link_cells_.forget();
  const bool all = global_generation_ != c.global_generation;
  for (ModeTable& m : tables_) {
    if (!m.moves()) continue;
    if (all) m.table.clear();
    else m.table.clear_local();
  }
  c.tier.generation[0] = c.mapping_generation;
  c.tier.generation[1] = c.global_generation;
  generation_ = c.mapping_generation;
  global_generation_ = c.global_generation;
  pending_link_ = kLeftSite;
}

void JitTier::drop_pages(const Context& c) {
  if (dropped_pages_ == c.dropped_pages) return;
  if (c.dropped_pages - dropped_pages_ > c.last_dropped.size()) {
    dropped_pages_ = c.dropped_pages;
    cells_.invalidate_all();
    link_cells_.forget();
    for (ModeTable& m : tables_) m.table.clear();
  }
  for (; dropped_pages_ < c.dropped_pages; ++dropped_pages_) {
    const u64 page = c.last_dropped[dropped_pages_ % c.last_dropped.size()];
    cells_.invalidate(page);
    link_cells_.forget(page);
    for (ModeTable& m : tables_)
      if (m.moves()) m.table.remove_page(page);
  }
  pending_link_ = kLeftSite;
}

u8 JitTier::mode_index(TranslationMode mode) {
  for (std::size_t i = 0; i < tables_.size(); ++i)
    if (tables_[i].mode == mode) return static_cast<u8>(i);
  if (tables_.size() == kMaxModes) {
    drop_all();
    tables_.clear();
  }
  auto table = JumpTable::create(mode & kHostedMode ? stubs_.indirect_hosted : stubs_.indirect);
  if (!table) return 0xff;
  tables_.push_back({mode, table.take()});
  return static_cast<u8>(tables_.size() - 1);
}

Translation* JitTier::find(const Context& c, const Block& block, TranslationMode mode) {
  for (auto* t = static_cast<Translation*>(block.upper); t; t = t->next) {
    const bool here = t->moves || (t->rip == c.state.rip && t->global == c.page_is_global &&
                                   t->has_code_segment(c.state.segments[cpu::kCs]));
    if (t->valid && t->mode == mode && here && !t->is_twin) return t;
  }
  return nullptr;
}

// There must be room.
Translation* JitTier::translate(Context& c, Block& block, u64 rip, TranslationMode mode, bool twin) {
  const u8 index = mode_index(mode);
  if (index == 0xff) return nullptr;
  Translation& t = *translations_.emplace_back(
      std::pmr::polymorphic_allocator<>(&memory_).new_object<Translation>(&memory_));
  t.block = &block;
  t.rip = rip;
  t.mode = mode;
  t.is_twin = twin;
  t.mode_index = index;
  t.moves = moves(mode);
  t.global = c.page_is_global;
  if (mode & kSegmentedMode) {
    t.code_base = c.state.segments[cpu::kCs].base;
    t.code_limit = c.state.segments[cpu::kCs].limit;
  }
  const u64 page = page_of(t.linear(rip));
  if (!t.moves)
    t.cell =
        block.crosses() ? &cells_.of_crossing(page) : &cells_.of(page, page_of(block.key.physical), t.global);
  t.limited = mode & kLimitedMode;
  t.counts_in_t1 = mode & kHostedMode;
  t.hosted = t.counts_in_t1 && !twin;
  translating_for_ = &c;
  if (t.hosted) inherit_hints(t);
  const u64 started = tick_clock_.now();
  const std::span<const u8> code =
      translator_->translate(t, block.code, arena_->next(), tables_[index].table.entries(),
                             t.hosted ? static_cast<RegionChooser*>(this) : nullptr);
  t.code = arena_->append(code);
  figures_.translation_ticks += tick_clock_.now() - started;
  ++figures_.translations;
  figures_.translated_insns += block.count;
  figures_.code_bytes += code.size();
  ensure(t.code, "room was kept for a block's code");
  t.entries = t.own_entries();
  t.next = static_cast<Translation*>(block.upper);
  block.upper = &t;
  if (!twin && !block.crosses()) by_page_[block.key.physical >> kPageShift].push_back(&t);
  if (observer_) observer_->translated(t, block.code);
  return &t;
}

// A block that was not run yet. False: there is none.
bool JitTier::translate_unrun(Context& c, u64 linear, TranslationMode mode) {
  if (arena_->room() < kReserve || !cells_.has_room()) return false;
  bool global = false;
  Block* const block = c.blocks->block_at(linear, global);
  hosted_.settle();  // what holds code from now on was to be written until now
  if (!block || block->crosses()) return false;
  const bool before = std::exchange(c.page_is_global, global);
  translate(c, *block, linear, mode, false);
  c.page_is_global = before;
  return true;
}

// With a check for each access; null where there is no room.
Translation* JitTier::twin_of(Context& c, Translation& t) {
  if (!t.twin && arena_->room() >= kReserve) {
    t.twin = translate(c, *t.block, t.rip, t.mode, true);
    ++figures_.twins;
  }
  return t.twin;
}

// Goes on in the twin, from now on without coming here, unless something is to be learned.
const u8* JitTier::split(Context& c, Translation& t, const Split& split) {
  const Translation* twin = twin_of(c, t);
  if (!twin) {
    full_ = true;
    return nullptr;
  }
  if (split.at_entry) {
    const u8* on = twin->code + twin->entry_saved;
    patch(t.code + split.field, on);
    set_t1(c, true);
    return on;
  }
  const u8* on = twin->counted_start_of(split.insn);
  set_t1(c, twin->budget_at_counted_start_of(split.insn));
  if (t.hosted) {
    learn_region(c, t, split);
  } else {
    for (const Split& s : t.splits)
      if (s.insn == split.insn) patch(t.code + s.field, on);
  }
  return on;
}

void JitTier::clear() {
  figures_.generations += !translations_.empty();
  full_ = false;
  for (ModeTable& m : tables_) m.table.clear();
  translations_.clear();
  memory_.release();
  by_page_.clear();
  cells_.clear();
  link_cells_.clear();
  installed_.assign(installed_.size(), {});
  sites_.clear();
  links_.clear();
  pending_.clear();
  trial_.reset();
  regions_.clear();
  dead_.clear();
  refusals_.clear();
  weights_.clear();
  targets_.clear();
  pending_link_ = kLeftSite;
  if (translator_) arena_->rewind(first_block_);
}

// The blocks stay: they are translated again when they are run.
void JitTier::drop_all() {
  for (Translation* t : translations_) t->block->upper = nullptr;
  clear();
}

void JitTier::statistics(const cpu::Vcpu::Report& report) const {
  report("jit.retired", figures_.retired);
  report("jit.translations", figures_.translations);
  report("jit.translated_insns", figures_.translated_insns);
  report("jit.code_bytes", figures_.code_bytes);
  report("jit.translation_ns", tick_clock_.ns(figures_.translation_ticks));
  report("jit.entries", figures_.entries);
  report("jit.table_clears", figures_.table_clears);
  report("jit.links_across", figures_.links_across);
  report("jit.dropped_blocks", figures_.dropped);
  report("jit.generations", figures_.generations);
  report("jit.twins", figures_.twins);
  report("jit.segment_changes", segment_uses_.changes());
  report("jit.replaced", figures_.replaced);
  const HostedSpaces::Figures& h = hosted_.figures();
  report("jit.hosted.spaces", h.spaces);
  report("jit.hosted.given_up", h.given_up);
  report("jit.hosted.faults", h.faults);
  report("jit.hosted.maps", h.maps);
  report("jit.hosted.pages", h.pages);
  report("jit.hosted.unmaps", h.calls);
  report("jit.hosted.table_writes", h.table_writes);
  if (worker_) report_regions(report);
  for (std::size_t i = 0; i < figures_.executed.size(); ++i) {
    const std::string name = isa::name_of(static_cast<isa::Op>(i));
    if (figures_.executed[i]) report("jit.executed." + name, figures_.executed[i]);
    if (figures_.slow[i]) report("jit.slow." + name, figures_.slow[i]);
  }
}

std::string JitTier::code_text(const Context&, u64 physical) const {
  std::string out;
  const auto has = [&](const Block& b) {
    const u64 in_first = b.crosses() ? kPageSize - (b.key.physical & kPageMask) : b.bytes;
    return physical - b.key.physical < in_first ||
           (b.crosses() && physical - b.second_page < b.bytes - in_first);
  };
  for (const Translation* t : translations_)
    if (t->valid && has(*t->block)) out += block_text(*t, t->block->code, {.guest = true, .host = true});
  return out;
}

// Most 16-bit code is firmware and loaders, which run once.
u32 JitTier::first_runs(u32 mode) const {
  constexpr u32 kPatience = 8;
  return (mode & interp::kCodeSize) == 2 ? kPatience * options_.threshold : options_.threshold;
}

// As run_code(): what is called is nothing that a compiler made.
[[clang::no_sanitize("function")]] u32 JitTier::enter(Context& c, const u8* code) {
  const semantics::SignalScope scope(*arena_, host_frame_, this);
  prepare_host_thread();
  return stubs_.enter(&c, code);
}

bool JitTier::run(Context& c, Block& block) {
  accounted_ = c.remaining;
  if (!prepare(c)) return false;
  const TranslationMode mode = translation_mode(c, hosted_.active(), segment_uses_);
  if (full_) drop_all();
  if (worker_) look_at_samples(c);
  Translation* t = find(c, block, mode);
  if (!t) {
    if (arena_->room() < kReserve || !cells_.has_room()) drop_all();
    t = translate(c, block, c.state.rip, mode, false);
    if (t && worker_ && options_.llvm_now) compile_at_once(c, *t);
  }
  if (!t) return false;
  if (options_.links && pending_link_ < links_.size()) connect(pending_link_, *t);
  pending_link_ = kLeftSite;
  c.tier.page = c.state.rip & ~kPageMask;
  install(c, *t);
  c.tier.flags = slot_of(c.flags.rflags());
  look_at_upper_vectors(c);
  c.block = nullptr;
  ++figures_.entries;
  const i64 before = c.remaining;
  const u32 left = enter(c, t->entries.get(false, rsp_is_verified(c)));
  figures_.retired += static_cast<u64>(before - c.remaining);
  account(c);
  if (left == kLeftSite) return true;
  c.flags.set_rflags(rflags_of(c.tier.flags));
  c.left = Step::Branch;
  if (left == kLeftIndirect) {
    if (!is_canonical(c.state.rip)) fault_at_branch(c, sites_[c.tier.branch_site]);
    return true;
  }
  c.state.rip = target_of(c, links_[left]);
  pending_link_ = left;
  return true;
}

}  // namespace tandem::jit
