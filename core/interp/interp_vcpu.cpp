#include "core/interp/interp_vcpu.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/base/low_memory.h"
#include "core/interp/handlers.h"
#include "core/isa/op.h"
#include "core/mmu/access.h"
#include "core/semantics/descriptor.h"
#include "core/semantics/interrupt.h"

namespace tandem::interp {

using namespace cpu;

namespace {
constexpr std::size_t kMaxStoredInsns = 600'000;  // about 40 MiB
}

InterpVcpu::InterpVcpu(VcpuId id, mem::GuestMemory& memory, const CpuModel& model,
                       std::unique_ptr<semantics::HostCode> host_code, std::unique_ptr<UpperTier> tier)
    : tier_(std::move(tier)), host_code_(std::move(host_code)), decoder_(model) {
  cache_.set_tier(tier_.get());
  c_.id = id;
  c_.memory = &memory;
  c_.listener = this;
  c_.blocks = this;
  c_.model = &model;
  c_.host_code = host_code_.get();
  c_.physical_mask = low_mask(model.physical_bits) & ~kPageMask;
  update_mode(c_);
  memory.add_listener(*this);
}

void* InterpVcpu::operator new(std::size_t bytes) {
  if (void* memory = map_low_memory(bytes)) return memory;
  throw std::bad_alloc();
}
void InterpVcpu::operator delete(void* memory, std::size_t bytes) { unmap_low_memory(memory, bytes); }

InterpVcpu::~InterpVcpu() { c_.memory->remove_listener(*this); }

void InterpVcpu::kick() noexcept { c_.requests.fetch_or(kRequestKick); }

void InterpVcpu::signal(Signal s, u8 sipi_vector) noexcept {
  switch (s) {
    case Signal::Interrupt: c_.requests.fetch_or(kRequestInterrupt); break;
    case Signal::Nmi: c_.requests.fetch_or(kRequestNmi); break;
    case Signal::Smi: c_.requests.fetch_or(kRequestSmi); break;
    case Signal::Init: c_.requests.fetch_or(kRequestInit); break;
    case Signal::Startup:
      c_.startup_vector.store(sipi_vector);
      c_.requests.fetch_or(kRequestStartup);
      break;
  }
}

// Instructions of the present block that are done when `current` runs.
u64 InterpVcpu::executed_in_block() const {
  return c_.block && c_.current ? static_cast<u64>(c_.current - c_.block->insns.data()) : 0;
}

u64 InterpVcpu::retired() const {
  if (runner_.load(std::memory_order_relaxed) == std::thread::id{}) return retired_base_;
  const u64 taken = static_cast<u64>(budget_ - c_.remaining);
  return retired_base_ + taken - (c_.block ? c_.block->count - executed_in_block() : 0);
}

Result<void> InterpVcpu::export_state(CpuState& out) {
  const LapicState lapic = out.lapic;
  out = c_.state;
  out.rflags = c_.rflags();
  out.lapic = lapic;
  const u32 r = c_.requests.load() | c_.held;
  if (r & kRequestNmi) out.events.nmi_pending = true;
  if (r & kRequestSmi) out.events.smi_pending = true;
  if (r & kRequestInit) out.events.init_pending = true;
  if (r & kRequestStartup) {
    out.events.startup_pending = true;
    out.events.startup_vector = c_.startup_vector.load();
  }
  return {};
}

Result<void> InterpVcpu::import_state(const CpuState& in) {
  mmu::flush_all(c_);
  if (tier_) tier_->forget_mappings();
  return import_registers(in);
}

Result<void> InterpVcpu::import_registers(const CpuState& in) {
  c_.state = in;
  c_.state.zero = 0;
  c_.upper_vectors_written = true;
  c_.set_rflags(in.rflags);
  // What was asked of the state before is not asked of this one.
  c_.requests.fetch_and(kRequestKick | kRequestCode | kRequestRemap);
  PendingEvents& e = c_.state.events;
  c_.held = (e.nmi_pending ? kRequestNmi : 0) | (e.smi_pending ? kRequestSmi : 0) |
            (e.init_pending ? kRequestInit : 0) | (e.startup_pending ? kRequestStartup : 0);
  if (e.startup_pending) c_.startup_vector.store(e.startup_vector);
  e.nmi_pending = e.smi_pending = e.init_pending = e.startup_pending = false;
  e.startup_vector = 0;
  update_mode(c_);
  return {};
}

void InterpVcpu::statistics(const Report& report) const {
  if (tier_) tier_->statistics(report);
}

std::string InterpVcpu::code_text(Gpa at) const {
  return tier_ ? tier_->code_text(c_, raw(at)) : std::string();
}

void InterpVcpu::flush_translations() { drop_everything(); }

void InterpVcpu::drop_everything() {
  cache_.clear();
  if (host_code_->nearly_full()) {
    host_code_->clear();
    decoder_.forget_host_code();
  }
  c_.jumps.fill({});
  c_.link_from = {};
  c_.block = nullptr;
  mmu::flush_all(c_);
  if (tier_) tier_->forget_mappings();
}

bool InterpVcpu::code_written(Gpa start, u64 length) noexcept {
  if (runs_on_this_thread()) {
    bool still = false;
    for (u64 done = 0; done < length;) {
      const u64 at = raw(start) + done, n = std::min(length - done, kPageSize - (at & kPageMask));
      still |= cache_.invalidate(at, n, stale_handler());
      if (tier_) still |= tier_->written(at, n);
      done += n;
    }
    return still;
  }
  post_written(raw(start), length);
  return true;
}

void InterpVcpu::code_page_added(u64 page, mem::CodeWriteListener& who) noexcept {
  if (&who == this) protect(page);
  else post_added(page);
}

// Writes to the page, by its number in the memfd, must be told from now on.
void InterpVcpu::protect(u64 page) {
  c_.tlb.protect_host_page(c_.memory->base() + page * kPageSize);
  if (tier_) tier_->protect(page);
}

// Within one page. A vCPU that is halted takes note late, of pages that are written to over and over
// meanwhile.
void InterpVcpu::post_written(u64 start, u64 length) {
  std::lock_guard lock(changes_mutex_);
  PageChanges::Written& w =
      changes_.written.try_emplace(start >> kPageShift, start, start + length).first->second;
  w = {std::min(w.start, start), std::max(w.end, start + length)};
  ask_to_process_changes();
}

void InterpVcpu::post_added(u64 page) {
  std::lock_guard lock(changes_mutex_);
  changes_.added.insert(page);
  ask_to_process_changes();
}

// With changes_mutex_ held. Where nobody takes them (another engine runs this CPU), they end as one: forget
// everything.
void InterpVcpu::ask_to_process_changes() {
  constexpr std::size_t kMaxPages = 4096;
  if (changes_.written.size() + changes_.added.size() > kMaxPages) {
    changes_ = {};
    c_.requests.fetch_or(kRequestRemap);
  } else {
    c_.requests.fetch_or(kRequestCode);
  }
}

// Translations of linear addresses stay as they are; what they lead to does not.
void InterpVcpu::remapped(Gpa start, u64 length) noexcept {
  if (!runs_on_this_thread()) {
    c_.requests.fetch_or(kRequestRemap);
    return;
  }
  c_.tlb.flush();
  if (tier_) tier_->forget_mappings();
  code_written(start, length);
  if (raw(start) < mem::kSmramEnd) code_written(start + mem::kSmramView, length);
}

void InterpVcpu::process_code_requests() {
  PageChanges changes;
  {
    std::lock_guard lock(changes_mutex_);
    changes = std::exchange(changes_, {});
  }
  for (const u64 page : changes.added) protect(page);
  for (const auto& [page, w] : changes.written) c_.memory->tell_again(Gpa{w.start}, w.end - w.start, *this);
}

// --- Boundaries -------------------------------------------------------------------------------------------

void InterpVcpu::shutdown() { c_.state.activity = Activity::Shutdown; }

void InterpVcpu::startup(u8 vector) {
  if (c_.state.activity != Activity::WaitForSipi) return;
  semantics::load_segment_real(c_, kCs, static_cast<u16>(vector << 8));
  c_.state.rip = 0;
  c_.state.activity = Activity::Running;
  update_mode(c_);
}

// Takes over what other threads asked for. What can't be served now is held until an instruction changes
// that; all that can (STI, POPF, IRET, RSM) come back to the boundary.
InterpVcpu::Next InterpVcpu::handle_requests(StopReason& why) {
  c_.held |= c_.requests.exchange(0);
  take(kRequestProfile);  // that this boundary was come to is all it is for
  if (take(kRequestRemap)) drop_everything();
  if (take(kRequestCode)) process_code_requests();
  if (take(kRequestInit)) {
    apply_init(c_.state);
    c_.set_rflags(2);
    mmu::flush_all(c_);
    update_mode(c_);
  }
  if (take(kRequestStartup)) startup(c_.startup_vector.load());
  if (!c_.state.events.in_smm && take(kRequestSmi)) semantics::enter_smm(c_);
  if (!take(kRequestKick)) return Next::Run;
  why = StopReason::Kicked;
  return Next::Stop;
}

bool InterpVcpu::take(u32 request) {
  const bool asked = c_.held & request;
  c_.held &= ~request;
  return asked;
}

bool InterpVcpu::deliver_debug_traps() {
  PendingEvents& e = c_.state.events;
  if (!e.debug_traps || e.interrupt_shadow_movss) return false;
  const GuestFault f{kDebug, false, 0, e.debug_traps};
  e.debug_traps = 0;
  if (!semantics::deliver_fault(c_, f, c_.state.rip)) shutdown();
  return true;
}

bool InterpVcpu::take_interrupt() {
  PendingEvents& e = c_.state.events;
  if (e.interrupt_accepted) {
    e.interrupt_accepted = false;
    if (!semantics::deliver_interrupt(c_, std::exchange(e.accepted_vector, u8{0}))) shutdown();
    return true;
  }
  if (e.interrupt_shadow_movss || e.interrupt_shadow_sti) return false;
  if (stepping_ && c_.state.activity == Activity::Running) return false;
  if (!e.nmi_blocked && take(kRequestNmi)) {
    e.nmi_blocked = true;
    c_.state.activity = Activity::Running;
    if (!semantics::deliver_interrupt(c_, kNmi)) shutdown();
    return true;
  }
  if (!(c_.state.rflags & kIf) || !take(kRequestInterrupt)) return false;
  const auto vector = c_.sink->take_interrupt(c_.id);
  if (!vector) return false;
  if (c_.sink->interrupt_pending(c_.id)) c_.held |= kRequestInterrupt;
  c_.state.activity = Activity::Running;
  if (!semantics::deliver_interrupt(c_, *vector)) shutdown();
  return true;
}

// Everything that happens between two instructions, in order of priority (SDM vol. 3, table 6-2).
InterpVcpu::Next InterpVcpu::handle_events(StopReason& why) {
  restore_idle_shadow(c_);
  if ((c_.held || c_.requests.load(std::memory_order_relaxed)) && handle_requests(why) == Next::Stop)
    return Next::Stop;
  if (c_.state.activity == Activity::WaitForSipi) return why = StopReason::Halted, Next::Stop;
  if (c_.state.activity != Activity::Shutdown && !deliver_debug_traps()) take_interrupt();
  switch (c_.state.activity) {
    case Activity::Running: return Next::Run;
    case Activity::Shutdown: why = StopReason::TripleFault; return Next::Stop;
    default: why = StopReason::Halted; return Next::Stop;
  }
}

Stop InterpVcpu::run(const RunBudget& budget, ExitSink& sink) {
  c_.sink = &sink;
  stepping_ = budget.step;
  c_.watch.on = true;
  budget_ = static_cast<i64>(std::min<u64>(budget.instructions, u64{1} << 62));
  c_.remaining = budget_;
  c_.limited = budget.instructions != RunBudget{}.instructions;
  c_.block = nullptr;
  runner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  c_.host_tsc_offset = sink.host_tsc_offset();
  if (sink.interrupt_pending(c_.id)) c_.requests.fetch_or(kRequestInterrupt);
  StopReason why = StopReason::BudgetSpent;
  for (bool stop = false; !stop;) {
    if (handle_events(why) == Next::Stop) break;
    if (stepping_) step();
    else run_block(why, stop);
    if (c_.watch.was_hit) step_over_watched();
    else if (!stepping_) continue;
    why = StopReason::DebugTrap;
    stop = true;
  }
  runner_.store({}, std::memory_order_relaxed);
  const u64 done = static_cast<u64>(budget_ - c_.remaining);
  retired_base_ += done;
  return {why, done, debug_hit_};
}

// --- Running ----------------------------------------------------------------------------------------------

// The block at rip, by the jump table or by the page walk. Null: fault in cpu.fault.
Block* InterpVcpu::next_block() {
  constexpr u64 kGlobal = 1u << 31, kGenerationBits = kGlobal - 1;
  const u64 mode = u64{mode_bits(c_.mode)} << 32;
  c_.jump_tag = mode | ((c_.mapping_generation + c_.dropped_pages) & kGenerationBits);
  c_.jump_tag_global = mode | kGlobal | ((c_.global_generation + c_.dropped_pages) & kGenerationBits);
  const JumpEntry& e = c_.jumps[Context::jump_index(c_.state.rip)];
  if (!is_good(c_, e) || !e.block->valid) return find_block();
  c_.page_is_global = e.mode_and_generation & kGlobal;
  return e.block;
}

void InterpVcpu::remember(Block* block) {
  if (block == &single_) return;
  c_.jumps[Context::jump_index(c_.state.rip)] = {c_.state.rip, c_.state.segments[kCs].base,
                                                 c_.page_is_global ? c_.jump_tag_global : c_.jump_tag, block};
  c_.code_pages.add(linear_rip(c_), c_.page_is_global);
  if (block->crosses()) c_.code_pages.add(linear_rip(c_) + kPageSize, c_.page_is_global);
  const PendingLink& from = c_.link_from;
  if (from.block && from.rip == c_.state.rip) link(from.block, from.slot, block);
}

void InterpVcpu::run_block(StopReason& why, bool& stop) {
  if (c_.remaining <= 0) {
    why = StopReason::BudgetSpent;
    stop = true;
    return;
  }
  if (at_debug_breakpoint()) [[unlikely]] {
    debug_hit_ = {DebugHit::Kind::Breakpoint, linear_rip(c_)};
    why = StopReason::DebugTrap;
    stop = true;
    return;
  }
  if (cache_.stored_insns() > kMaxStoredInsns || host_code_->nearly_full()) drop_everything();
  drop_idle_shadow(c_);
  if (needs_single_step(c_)) return run_single();
  Block* block = next_block();
  if (!block) {
    c_.link_from = {};
    if (!semantics::deliver_fault(c_, c_.fault, c_.state.rip)) shutdown();
    return;
  }
  if (block->count > static_cast<u64>(c_.remaining)) return run_single();
  remember(block);
  c_.link_from = {};
  c_.block = nullptr;
  if (block->runs_left == 0) {
    if (tier_ && tier_->run(c_, *block)) return after_leave();
    block->runs_left = ~u32{0};
  }
  const Insn* first = start_block(c_, block);
  if (!first) return;
  handler_of(first)(c_, first);
  after_leave();
}

// One instruction in a block of its own, with the checks that come before and behind it.
void InterpVcpu::run_single() {
  if (instruction_breakpoint()) return;
  PendingEvents& e = c_.state.events;
  const bool had_sti = e.interrupt_shadow_sti, had_movss = e.interrupt_shadow_movss;
  const bool trap = c_.state.rflags & kTf, resume = c_.state.rflags & kRf;
  c_.link_from = {};
  Block* const block = single_block(linear_rip(c_));
  if (!block) {
    if (!semantics::deliver_fault(c_, c_.fault, c_.state.rip)) shutdown();
    return;
  }
  // RF holds for one instruction; IRET and task switches may set it anew (SDM vol. 3, 17.3.1.1).
  c_.state.rflags &= ~kRf;
  c_.jump_tag = c_.jump_tag_global = ~u64{0};  // no chaining into a next block
  c_.block = block;
  --c_.remaining;
  const Insn* first = block->insns.data();
  handler_of(first)(c_, first);
  const bool completed = c_.left != Step::Fault;
  if (had_sti && completed) e.interrupt_shadow_sti = false;
  if (had_movss && completed && block->insns[0].op != isa::Op::MOV_TO_SEGMENT)
    e.interrupt_shadow_movss = false;
  if (trap && completed && c_.state.activity == Activity::Running) e.debug_traps |= u64{1} << 14;
  after_leave();
  c_.link_from = {};
  if (resume && c_.left == Step::Again) c_.state.rflags |= kRf;
}

bool InterpVcpu::instruction_breakpoint() {
  const u64 dr7 = c_.state.dr[7];
  if (!(dr7 & 0xff) || (c_.state.rflags & kRf) || c_.state.events.interrupt_shadow_movss) return false;
  u64 hits = 0;
  for (unsigned i = 0; i < 4; ++i)
    if ((dr7 >> (2 * i) & 3) && bits(dr7, 17 + 4 * i, 16 + 4 * i) == 0 && c_.state.dr[i] == linear_rip(c_))
      hits |= u64{1} << i;
  if (!hits) return false;
  if (!semantics::deliver_fault(c_, {kDebug, false, 0, hits}, c_.state.rip)) shutdown();
  return true;
}

// Brings rip and the instruction count to the boundary at which the handlers were left.
void InterpVcpu::after_leave() {
  const Step how = c_.left;
  if (how != Step::Branch) {
    const u64 done = executed_in_block() + (how == Step::EndBlock ? 1 : 0);
    c_.remaining += static_cast<i64>(c_.block->count) - static_cast<i64>(done);
    finish_boundary(*c_.current, how);
  }
  c_.block = nullptr;
}

void InterpVcpu::finish_boundary(const Insn& insn, Step how) {
  switch (how) {
    case Step::EndBlock: c_.state.rip = semantics::next_rip(c_, insn); break;
    case Step::Again: c_.state.rip = semantics::this_rip(c_, insn); break;
    case Step::Fault: {
      if (c_.watch.was_hit) {
        c_.state.rip = semantics::this_rip(c_, insn);
        break;
      }
      const u64 rip = semantics::this_rip(c_, insn);
      c_.state.rip = rip;
      if (!semantics::deliver_fault(c_, c_.fault, rip)) shutdown();
      break;
    }
    default: break;
  }
}

}  // namespace tandem::interp
