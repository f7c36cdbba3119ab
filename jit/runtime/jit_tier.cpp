#include "jit/runtime/jit_tier.h"

#include <chrono>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/isa/op.h"
#include "core/mmu/segment.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/host_signals.h"
#include "core/semantics/host/xsave_area.h"
#include "core/semantics/table.h"
#include "jit/dump/block_text.h"
#include "jit/runtime/host_thread.h"
#include "jit/runtime/tier_state.h"

namespace tandem::jit {

using cpu::Step;
using interp::Block;
using interp::Context;

namespace {

constexpr u64 kReserve = 256 * KiB;  // more than the code of one block
constexpr std::size_t kMaxModes = 32;
// As many as a Linux that boots makes: what grows is copied, and memory that is not used yet costs nothing.
constexpr std::size_t kUsualLinks = 1 << 17, kUsualSites = 1 << 18;

u64 steady_ns() {
  return static_cast<u64>(std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1));
}

// What register T0 is to hold where an addend of this number is in it.
u64 addend_of(const Context& c, u8 group) {
  return group < kHostedGroup ? c.tier.addends[group] : c.tier.regions[group - kHostedGroup].addend;
}

u64 rip_of(const Context& c, const Translation& t) { return t.moves ? c.tier.page + t.offset() : t.rip; }

// The sum, of the state's registers.
u64 value_of(const Context& c, const LinearForm& f) {
  u64 sum = static_cast<u64>(f.disp) + (f.from_page ? c.tier.page : 0);
  if (f.base != LinearForm::kAbsent) sum += c.state.gpr[f.base];
  if (f.index != LinearForm::kAbsent) sum += c.state.gpr[f.index] << f.scale_log2;
  if (f.segment != LinearForm::kAbsent) sum += c.state.segments[f.segment].base;
  return sum;
}

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
  if (generation_ == c.mapping_generation) return drop_pages(c);
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
  dropped_pages_ = c.dropped_pages;
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

// --- Hosted accesses --------------------------------------------------------------------------------------

// Instructions since the last time ran in the address space of that time.
void JitTier::account(const Context& c) {
  hosted_.ran(static_cast<u64>(std::max<i64>(accounted_ - c.remaining, 0)));
  accounted_ = c.remaining;
}

void JitTier::inherit_hints(Translation& t) {
  for (auto* before = t.block->upper ? static_cast<Translation*>(t.block->upper) : nullptr; before;
       before = before->next)
    if (!before->valid && (t.moves || before->rip == t.rip) && before->mode == t.mode &&
        !before->hints.empty()) {
      t.hints = std::move(before->hints);
      return;
    }
}

u8 JitTier::lowest_region(u16 access) {
  const Translation& t = *translations_.back();
  const bool is_soft = !t.hints.empty() && t.hints[access].region == AccessHint::kSoft;
  return !is_soft && hosted_.assign(*translating_for_, 0, 0) ? 0 : RegionChooser::kNone;
}

u8 JitTier::region_of(u16 access, std::optional<u64> address) {
  const Translation& t = *translations_.back();
  if (!t.hints.empty() && t.hints[access].region != AccessHint::kUnknown) return t.hints[access].region;
  Context& c = *translating_for_;
  // 32-bit code reaches all by the lowest one. Of others, what is not known yet is mostly near the stack's or
  // the heap's pointers.
  return hosted_.region_for(c, address.value_or(c.state.gpr[cpu::kRsp])).value_or(RegionChooser::kNone);
}

AccessHint& JitTier::hint_for(Translation& t, u16 insn) {
  if (t.hints.empty()) t.hints.resize(2 * t.block->count);
  return t.hints[insn];
}

// An access lay outside its region: another, or none, may be better.
void JitTier::learn_region(Context& c, Translation& t, const Split& split) {
  constexpr u8 kPatience = 4, kMostChanges = 3;
  const u64 address = value_of(c, split.address);
  if (split.region == RegionChooser::kNone || !t.valid || hosted_.assign(c, split.region, address)) return;
  AccessHint& hint = hint_for(t, split.access);
  if (hint.miss(steady_ns()) < kPatience) return;
  hint.misses = 0;
  const std::optional<u8> better = hosted_.region_for(c, address);
  hint.region = better && ++hint.changes <= kMostChanges ? *better : AccessHint::kSoft;
  replace(t);
}

// The host had no page for an access.
void JitTier::learn_refusal(Context& c, Translation& t, u16 insn, Step step) {
  constexpr u8 kPatience = 16;
  if (step == Step::Fault) return hosted_.faulted();
  if (hosted_.refused(c, host_frame_.fault_address, host_frame_.fault_write) || !t.valid) return;
  AccessHint& hint = hint_for(t, insn);
  if (hint.miss(steady_ns()) < kPatience) return;
  hint.misses = 0;
  hint.region = AccessHint::kSoft;
  replace(t);
}

// It is to be made anew when it is run next.
void JitTier::replace(Translation& t) {
  unlink(t);
  ++figures_.replaced;
}

// Leads the jump with this 32-bit distance elsewhere.
void JitTier::patch(const u8* field, const u8* to) {
  // SAFETY: code patch: the vCPU that alone runs this code is here and not there.
  store_le<u32>(arena_->writable(field), static_cast<u32>(to - (field + 4)));
}

void JitTier::point(const Link& link, const u8* to) { patch(link.from->code + link.field, to); }

// Within a mode.
void JitTier::connect(u32 id, Translation& to) {
  Link& link = links_[id];
  const Translation& from = *link.from;
  if (!from.valid || from.mode != to.mode || from.code_base != to.code_base ||
      from.code_limit != to.code_limit ||
      (to.moves ? (link.target ^ to.rip) & kPageMask : link.target ^ to.rip))
    return;
  if (link.across) return connect_across(id, to);
  if ((from.block->key.physical ^ to.block->key.physical) >= kPageSize) return;
  if (to.block->crosses()) return connect_by_table(link);
  link.to = &to;
  link.next_incoming = std::exchange(to.incoming, id);
  point(link, entry_for(link, to.entries));
}

// Which page the exit must be in for it is seen when the target is installed.
void JitTier::connect_across(u32 id, Translation& to) {
  Link& link = links_[id];
  if (link.to) return;
  if (link.cell) patch(link.from->code + link.elsewhere, link.from->code + link.by_table);
  // The second page's mapping may change: only the table knows when.
  if (link.cell && to.block->crosses()) return;
  link.to = &to;
  link.next_incoming = std::exchange(to.incoming_across, id);
  point(link, entry_for(link, to.entries));
  ++figures_.links_across;
}

const u8* JitTier::entry_for(const Link& link, const EntryPoints& entries) {
  if (link.across && !link.cell) return entries.mapped;
  return entries.get(link.flags_in_slot, link.rsp_verified);
}

// The second page's mapping may change: only the table knows when.
void JitTier::connect_by_table(const Link& link) {
  if (arena_->room() < kReserve) return;
  const std::span<const u8> code =
      translator_->table_exit(link, tables_[link.from->mode_index].table.entries(), arena_->next());
  point(link, arena_->append(code));
}

void JitTier::forget(Block& block) {
  for (auto* t = static_cast<Translation*>(block.upper); t; t = t->next)
    if (t->valid) unlink(*t);
  block.upper = nullptr;
}

// Makes the table lead to the block at rip, and to all others of its page that are translated: each would
// have to be looked up on its own, and mappings change more often than what they map.
void JitTier::install(const Context& c, Translation& t) {
  JumpTable& table = tables_[t.mode_index].table;
  table.set(interp::linear_rip(c), t.code + t.checked_entry, c.page_is_global, t.block->crosses());
  const u64 page = c.tier.page;
  if (t.cell) *t.cell = c.tier.generation[t.global];
  if (!t.moves) return;
  allow_links(t, page);
  if (t.block->crosses() || is_installed(page, t.mode)) return;
  std::vector<Translation*>& all = by_page_[t.block->key.physical >> kPageShift];
  std::erase_if(all, [](const Translation* other) { return !other->valid; });
  for (Translation* other : all) {
    if (other->mode != t.mode) continue;
    table.set(page + other->offset(), other->code + other->checked_entry, c.page_is_global);
    allow_links(*other, page);
  }
}

// `to`, which moves, is mapped in this page: those that lead to it from others are right wherever they lead
// to this one.
void JitTier::allow_links(Translation& to, u64 page) {
  const bool wide = (to.block->key.mode & interp::kCodeSize) == 8;
  for (u32 id = to.incoming_across; id != kNoLink; id = links_[id].next_incoming) {
    const Link& link = links_[id];
    if (!link.cell) continue;
    const u64 from = page - (page_of(link.target) - page_of(link.from->rip));
    link_cells_.set(*link.cell, wide ? from : static_cast<u32>(from), page);
  }
}

// Says so once.
bool JitTier::is_installed(u64 page, TranslationMode mode) {
  InstalledPage& entry = installed_[((page >> kPageShift) ^ mode) % installed_.size()];
  const u64 generation = generation_ + dropped_pages_;
  if (entry.linear == page && entry.mode == mode && entry.generation == generation) return true;
  entry = {page, mode, generation};
  return false;
}

// From now on nothing leads to it.
void JitTier::unlink(Translation& t) {
  while (!t.in_regions.empty()) drop(*t.in_regions.back());
  t.valid = false;
  ++figures_.dropped;
  for (u32* const first : {&t.incoming, &t.incoming_across})
    for (u32 id = std::exchange(*first, kNoLink); id != kNoLink;) {
      Link& link = links_[id];
      const u8* const stub = link.from->code + link.stub;
      link.to = nullptr;
      point(link, stub);
      if (link.cell) {
        *link.cell = LinkCells::kNowhere;
        patch(link.from->code + link.elsewhere, stub);
      }
      id = std::exchange(link.next_incoming, kNoLink);
    }
  // Whatever jump table's entry leads to it.
  const u8* const miss = t.counts_in_t1 ? stubs_.indirect_hosted : stubs_.indirect;
  u8* const checked = arena_->writable(t.code + t.checked_entry);
  *checked = 0xe9;
  patch(t.code + t.checked_entry + 1, miss);
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

u64 JitTier::target_of(const Context& c, const Link& link) {
  const Translation& from = *link.from;
  if (!from.moves) return link.target;
  const u64 target = c.tier.page + (link.target - page_of(from.rip));
  return (from.block->key.mode & interp::kCodeSize) == 8 ? target : static_cast<u32>(target);
}

const u8* JitTier::on_site(Context* context, u32 id) {
  return static_cast<JitTier*>(context->upper)->execute_site(*context, id);
}

// The branch that led to an address which is none faults itself (SDM vol. 1, 3.3.7.1): back to before it.
void JitTier::fault_at_branch(Context& c, Site branch) {
  const isa::Insn& insn = branch.in->block->insns[branch.insn];
  u64& rsp = c.state.gpr[cpu::kRsp];
  if (insn.op == isa::Op::CALL_INDIRECT) rsp += 8;
  if (insn.op == isa::Op::RET) rsp -= 8 + (insn.kind[0] == isa::OperandKind::Imm ? insn.imm & 0xffff : 0);
  execute_insn(c, *branch.in, branch.insn, false, true);
}

void JitTier::load_x87(Context* c) {
  semantics::XsaveX87& area = static_cast<JitTier*>(c->upper)->host_frame_.xsave;
  area.x87 = c->state.vector.x87;
  area.xstate_bv = cpu::kXfeatureX87;
  asm volatile("xrstor64 %0" : : "m"(area), "a"(1), "d"(0));
}

// Pointers are kept only while an exception is pending (see cpu::X87State), and the host's are turned into
// the guest's.
void JitTier::save_x87(Context* c) {
  auto& tier = *static_cast<JitTier*>(c->upper);
  semantics::XsaveX87& area = tier.host_frame_.xsave;
  asm volatile("xsave64 %0\n\tfninit" : "+m"(area) : "a"(1), "d"(0));
  cpu::X87State& x = area.x87;
  if (!(x.fsw & semantics::kFswEs)) {
    x.fip = x.fdp = 0;
    x.fop = 0;
  } else if (tier.arena_->contains(x.fip)) {
    const Site site = tier.site_at(reinterpret_cast<const u8*>(x.fip));
    x.fip = rip_of(*c, *site.in) + site.in->block->insns[site.insn].offset;
    x.fdp = 0;
  }
  c->state.vector.x87 = x;
}

JitTier::Site JitTier::site_at(const u8* pc) {
  auto after = std::ranges::upper_bound(translations_, pc, {}, &Translation::code);
  ensure(after != translations_.begin(), "a signal from translated code");
  Translation& t = **--after;
  const auto behind = std::ranges::upper_bound(t.insns, static_cast<u32>(pc - t.code), {}, &InsnCode::start);
  const auto insn = static_cast<u16>(behind - t.insns.begin() - 1);
  return {&t, insn};
}

JitTier::Site JitTier::site_of_signal(Context& c) {
  const Site site = site_at(reinterpret_cast<const u8*>(host_frame_.fault_pc));
  const Translation& t = *site.in;
  const u16 insn = site.insn;
  if (!t.insns[insn].flags_in_slot) c.tier.flags = c.tier.signal_flags;
  if (t.insns[insn].budget_within) c.remaining = static_cast<i64>(c.tier.signal_t1);
  for (const Borrowed& b : t.borrowed)
    if (b.insn == insn)
      for (unsigned n = 0; n < 2; ++n)
        if (b.registers[n] != 0xff) c.state.gpr[b.registers[n]] = c.tier.spill[n];
  return site;
}

// What register T1 is to hold in code that is gone on with.
void JitTier::set_t1(Context& c, bool budget) {
  c.tier.t1 = budget ? static_cast<u64>(c.remaining) : c.state.gpr[kT1];
}

// Executes one instruction as the interpreter does; gives the code behind it, or null to leave.
const u8* JitTier::execute_site(Context& c, u32 id) {
  const Site site = id == kSignalSite ? site_of_signal(c) : sites_[id];
  Translation& t = *site.in;
  unsigned insn = site.insn & kSiteInsn;
  if (site.insn & kRegion) return run_region(c, t);
  if (site.insn & kLoadX87) {
    c.tier.x87_loaded = 1;
    set_t1(c, t.counts_in_t1);
    return t.code + t.x87_check;
  }
  bool at_entry = false;
  if (site.insn & kSplit) {
    const Split& s = t.splits[insn];
    if (const u8* on = split(c, t, s)) {
      c.tier.t0 = c.state.gpr[kT0];
      return on;
    }
    insn = s.insn;
    at_entry = s.at_entry;
  }
  if (at_entry || site.insn & (kAttention | kSplit)) {
    begin_insn(c, t, insn, !at_entry && insn >= t.counted_from);
    c.left = Step::Again;
    return nullptr;
  }
  return execute_insn(c, t, insn, id == kSignalSite, true);
}

// The state as the interpreter has it before an instruction. counted: the budget's share was taken already.
void JitTier::begin_insn(Context& c, const Translation& t, unsigned insn, bool counted) {
  c.flags.set_rflags(rflags_of(c.tier.flags));
  c.state.rip = rip_of(c, t);
  c.block = t.block;
  c.current = &t.block->insns[insn];
  if (!counted) c.remaining -= t.block->count;
}

// For the sampler, which may look at any time.
void JitTier::note_executed(Context& c, const u8* code) {
  std::atomic_ref(c.tier.executed_for).store(reinterpret_cast<u64>(code), std::memory_order_relaxed);
}

// refused: the host did not let it through. within: may go on in t.
const u8* JitTier::execute_insn(Context& c, Translation& t, unsigned insn, bool refused, bool within) {
  const bool counted = insn >= t.counted_from;
  begin_insn(c, t, insn, counted);
  auto& counts = t.insns[insn].executes ? figures_.executed : figures_.slow;
  ++counts[static_cast<std::size_t>(c.current->op)];
  note_executed(c, t.start_of(insn));
  const Step step = semantics::function_of(*c.current)(c, *c.current);
  note_executed(c, nullptr);
  look_at_upper_vectors(c);
  if (refused && t.hosted) learn_refusal(c, t, static_cast<u16>(insn), step);
  const bool mapped = generation_ == c.mapping_generation && dropped_pages_ == c.dropped_pages;
  if (step == Step::Next && t.valid && mapped && within) {
    c.tier.flags = slot_of(c.flags.rflags());
    if (!counted) c.remaining += t.block->count;
    const u8 holds = t.insns[insn + 1].t0_holds;
    c.tier.t0 = holds == kGuestValue ? c.state.gpr[kT0] : addend_of(c, holds);
    set_t1(c, t.insns[insn + 1].budget_at_start);
    return t.start_of(insn + 1);
  }
  if (step == Step::EndBlock || step == Step::Next) {
    c.remaining += t.block->count - (insn + 1);
    c.state.rip = semantics::next_rip(c, *c.current);
    return go_on(c);
  }
  if (step == Step::Branch) return go_on(c);
  c.left = step;
  return nullptr;
}

// At a boundary with rip and count up to date: on with the next translation if nothing needs the
// interpreter's look.
const u8* JitTier::go_on(Context& c) {
  c.block = nullptr;
  c.left = Step::Branch;
  if (c.remaining > 0) interp::drop_idle_shadow(c);
  if (c.requests.load(std::memory_order_relaxed) || c.held || c.remaining <= 0 ||
      c.state.events.debug_traps || c.state.activity != cpu::Activity::Running ||
      interp::needs_single_step(c) || !prepare(c))
    return nullptr;
  const TranslationMode mode = translation_mode(c, hosted_.active(), segment_uses_);
  if (mode & kHostedMode && !rsp_is_verified(c)) return nullptr;
  const auto table =
      std::find_if(tables_.begin(), tables_.end(), [&](const ModeTable& m) { return m.mode == mode; });
  if (table == tables_.end()) return nullptr;
  c.tier.flags = slot_of(c.flags.rflags());
  return go_by(c, *table);
}

const u8* JitTier::go_by(Context& c, const ModeTable& table) {
  const u64 linear = interp::linear_rip(c);
  const u8* code = table.table.find(linear);
  if (!code) return nullptr;
  const u64 entry = linear & (JumpTable::kEntries - 1);
  const bool moves = table.moves(), hosted = table.mode & kHostedMode;
  c.tier.branch_target = c.state.rip;
  c.tier.t0 = moves && hosted ? entry : c.state.rip;
  c.tier.t1 = hosted ? static_cast<u64>(c.remaining) : entry;
  return code;
}

}  // namespace tandem::jit
