// Tier 1 of one vCPU: translates blocks, runs them, and comes back where the interpreter or the machine is
// needed.
#pragma once

#include <array>
#include <memory>
#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "core/interp/context.h"
#include "core/isa/op.h"
#include "core/semantics/host/host_frame.h"
#include "core/semantics/host/host_signals.h"
#include "jit/base/translator.h"
#include "jit/hosted/spaces.h"
#include "jit/regions/region.h"
#include "jit/regions/region_builder.h"
#include "jit/regions/region_trial.h"
#include "jit/regions/region_worker.h"
#include "jit/regions/sampler.h"
#include "jit/runtime/code_observer.h"
#include "jit/runtime/jump_table.h"
#include "jit/runtime/link_cells.h"
#include "jit/runtime/page_cells.h"
#include "jit/runtime/tick_clock.h"
#include "jit/runtime/translation.h"
#include "jit/runtime/translation_mode.h"

namespace tandem::jit {

class JitTier final : public interp::UpperTier,
                      private Ids,
                      private RegionChooser,
                      private semantics::WaysOut {
 public:
  // worker: of tier 2; null: there is none.
  static Result<std::unique_ptr<JitTier>> create(JitOptions options,
                                                 std::shared_ptr<CodeObserver> observer = {},
                                                 std::shared_ptr<RegionWorker> worker = {});
  ~JitTier() override;

  bool run(interp::Context& context, interp::Block& block) override;
  void forget(interp::Block& block) override;
  void clear() override;
  bool written(u64 physical, u64 length) override { return hosted_.written(physical, length); }
  void protect(u64 page) override { hosted_.protect(page); }
  void forget_mappings() override { hosted_.forget_mappings(); }
  void statistics(const cpu::Vcpu::Report& report) const override;
  std::string code_text(const interp::Context& context, u64 physical) const override;
  u32 first_runs(u32 mode) const override;

 private:
  static constexpr std::size_t kFirstMemory = 256 * KiB;

  struct Site {
    Translation* in;
    u16 insn;
  };
  struct ModeTable {
    TranslationMode mode;
    JumpTable table;
    bool moves() const { return jit::moves(mode); }
  };

  static constexpr u64 kReserve = 256 * KiB;  // more than the code of one block

  JitTier(JitOptions options, std::unique_ptr<semantics::CodeArena> arena,
          std::shared_ptr<CodeObserver> observer, std::shared_ptr<RegionWorker> worker, PageCells cells,
          LinkCells link_cells)
      : options_(std::move(options)),
        arena_(std::move(arena)),
        observer_(std::move(observer)),
        cells_(std::move(cells)),
        link_cells_(std::move(link_cells)),
        hosted_(options_.hosted),
        worker_(std::move(worker)) {}

  u32 new_site(Translation& in, u16 insn) override;
  u32 new_link(const Link& link) override;
  void set_stub(u32 link, u32 offset) override { links_[link].stub = offset; }
  u64* new_cell() override { return link_cells_.next(); }
  void set_by_table(u32 link, u32 offset) override { links_[link].by_table = offset; }
  u8 region_of(u16 access, std::optional<u64> address) override;
  u8 lowest_region(u16 access) override;

  bool prepare(interp::Context& context);
  void follow_mappings(interp::Context& context);
  void drop_pages(const interp::Context& context);
  u8 mode_index(TranslationMode mode);
  static Translation* find(const interp::Context& context, const interp::Block& block, TranslationMode mode);
  Translation* translate(interp::Context& context, interp::Block& block, u64 rip, TranslationMode mode,
                         bool twin);
  bool translate_unrun(interp::Context& context, u64 linear, TranslationMode mode);
  Translation* twin_of(interp::Context& context, Translation& t);
  const u8* split(interp::Context& context, Translation& t, const Split& split);
  void drop_all();
  u32 enter(interp::Context& context, const u8* code);

  // Jumps between translations: jit_links.cpp.
  void patch(const u8* field, const u8* to);
  void point(const Link& link, const u8* to);
  void connect(u32 link, Translation& to);
  void connect_across(u32 link, Translation& to);
  void connect_by_table(const Link& link);
  static const u8* entry_for(const Link& link, const EntryPoints& entries);
  static u64 target_of(const interp::Context& context, const Link& link);
  void install(const interp::Context& context, Translation& t);
  void allow_links(Translation& to, u64 page);
  bool is_installed(u64 page, TranslationMode mode);
  void unlink(Translation& t);
  void replace(Translation& t);

  // Hosted accesses: jit_hosted.cpp.
  void account(const interp::Context& context);
  void inherit_hints(Translation& t);
  AccessHint& hint_for(Translation& t, u16 insn);
  void learn_region(interp::Context& context, Translation& t, const Split& split);
  void learn_refusal(interp::Context& context, Translation& t, u16 insn, cpu::Step step);

  // Single instructions that are executed for translated code: jit_sites.cpp.
  static const u8* on_site(interp::Context* context, u32 id);
  Site site_at(const u8* pc);
  Site site_of_signal(interp::Context& context);
  const u8* execute_site(interp::Context& context, u32 id);
  void begin_insn(interp::Context& context, const Translation& t, unsigned insn, bool counted);
  static void note_executed(interp::Context& context, const u8* code);
  const u8* execute_insn(interp::Context& context, Translation& t, unsigned insn, bool refused, bool within);
  void fault_at_branch(interp::Context& context, Site branch);
  static void set_t1(interp::Context& context, bool budget);
  static void load_x87(interp::Context* context);
  static void save_x87(interp::Context* context);
  const u8* go_on(interp::Context& context);
  const u8* go_by(interp::Context& context, const ModeTable& table);

  // Tier 2: jit_regions.cpp.
  class Graph;
  struct Code {
    Translation* t;
    u64 page;  // linear, in which it ran
  };
  void start_sampling(interp::Context& context);
  void look_at_samples(interp::Context& context);
  std::optional<Code> code_of(const Sample& sample);
  void note_branch(const Sample& sample);
  void note_target(const Translation& t, PlaceInRegion distance);
  bool may_try(interp::Context& context, const BuiltRegion& built) const;
  void want_region(interp::Context& context, const Code& hot);
  void look_in_store(interp::Context& context);
  void want_stored_region(interp::Context& context, const Code& hot);
  void submit(interp::Context& context, BuiltRegion built);
  PlanSettings settings_for(interp::Context& context, const Translation& t) const;
  void compile_at_once(interp::Context& context, Translation& t);
  static bool is_for_regions(const Translation& t, TranslationMode mode);
  std::unique_ptr<Region> make_region(interp::Context& context, BuiltRegion& built);
  void take_finished();
  void finish(std::unique_ptr<Region> region, Result<CompiledRegion> code);
  void install(Region& region);
  void use(Region& region);
  void use_no_more(Region& region);
  void lead_to(Translation& t, const EntryPoints& entries);
  void drop(Region& region);
  void gather_refusals();
  std::optional<u64> way_out(u64 pc) const override;
  void report_regions(const cpu::Vcpu::Report& report) const;
  // As they run: jit_region_runs.cpp.
  static std::optional<u64> code_page(interp::Context& context, u64 linear);
  bool may_enter(interp::Context& context, Region& region);
  bool pages_are_there(interp::Context& context, Region& region);
  static u32 run_code(interp::Context& context, const CompiledRegion& code);
  const u8* run_region(interp::Context& context, Translation& t);
  void assign_regions_of_string(interp::Context& context, const isa::Insn& insn);
  const u8* leave_region(interp::Context& context, const Region& region, const RegionExit& exit);
  const u8* go_on_behind(interp::Context& context, const Region& region);
  // Whether they pay: jit_trials.cpp.
  void give_up(Region& region);
  void drop_what_does_not_pay();
  Region* worth_a_trial(u64 retired) const;
  void follow_trial();
  void judge(RegionTrial::Verdict verdict);

  JitOptions options_;
  std::unique_ptr<semantics::CodeArena> arena_;
  std::shared_ptr<CodeObserver> observer_;
  u64 first_block_ = 0;  // in the arena, behind the stubs
  bool full_ = false;    // there was no room where code could not be dropped: next time it is
  std::unique_ptr<Translator> translator_;
  Stubs stubs_;
  semantics::HostFrame host_frame_;
  std::vector<ModeTable> tables_;
  // Of translations, which lie one behind the other with what belongs to them, and go all at once.
  std::pmr::monotonic_buffer_resource memory_{kFirstMemory};
  std::vector<Translation*> translations_;  // in the order of their code
  std::vector<Site> sites_;
  std::vector<Link> links_;
  u32 pending_link_ = kLeftSite;  // left through last, to be connected if its target is run next
  // The pages whose translations the tables lead to, as far as there are any.
  struct InstalledPage {
    u64 linear = 1;  // no page
    TranslationMode mode = 0;
    u64 generation = 0;
  };
  std::vector<InstalledPage> installed_ = std::vector<InstalledPage>(512);
  std::unordered_map<u64, std::vector<Translation*>> by_page_;  // physical; of blocks within one page
  PageCells cells_;
  LinkCells link_cells_;
  struct Figures {
    u64 retired = 0, translations = 0, translated_insns = 0, code_bytes = 0, entries = 0, table_clears = 0,
        links_across = 0, dropped = 0, twins = 0, replaced = 0, generations = 0;
    u64 translation_ticks = 0;
    std::array<u64, static_cast<std::size_t>(isa::Op::kCount)> executed{};  // at sites
    std::array<u64, static_cast<std::size_t>(isa::Op::kCount)>
        slow{};  // translated, but their access was not
  };

  Figures figures_;
  TickClock tick_clock_;
  HostedSpaces hosted_;
  SegmentUses segment_uses_;
  i64 accounted_ = 0;  // of the budget, when instructions were last attributed to an address space
  interp::Context* translating_for_ = nullptr;
  std::shared_ptr<RegionWorker> worker_;
  std::unique_ptr<Sampler> sampler_;
  std::shared_ptr<FinishedRegions> finished_;                 // there is one once there are samples
  std::unordered_map<u64, std::unique_ptr<Region>> pending_;  // by what the worker calls them
  std::vector<std::unique_ptr<Region>> regions_, dead_;  // those that may be entered; that must not any more
  std::vector<Refusal> refusals_;                        // of all regions, ordered by pc
  u64 last_region_ = 0;
  u32 batch_ = 0;                        // of samples
  bool one_was_entered_enough_ = false;  // some region: see Region::kEnoughEntries
  struct Trial {
    Region* region;
    RegionTrial trial;
  };
  std::optional<Trial> trial_;
  u64 stretch_began_ns_ = 0, stretch_began_at_ = 0;  // of the thread's time; of retired instructions
  std::unordered_map<Translation*, u32> weights_;
  // Where indirect branches at the ends of blocks went: distances from the page, and how often.
  std::unordered_map<const Translation*, std::map<PlaceInRegion, u32>> targets_;
  struct RegionFigures {
    u64 compiled = 0, stored = 0, dropped = 0, failed = 0, entries = 0, retired = 0, refused = 0, sites = 0,
        code_bytes = 0;
  };
  RegionFigures region_figures_;
  u64 global_generation_ = ~u64{0};
  u64 generation_ = ~u64{0};  // of the mappings that the tables hold for
  u64 dropped_pages_ = 0;     // those of the Context that the tables know of
};

}  // namespace tandem::jit
