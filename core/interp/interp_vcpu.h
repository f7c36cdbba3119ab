// One vCPU of the interpreter.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/cpu/cpuid_models.h"
#include "core/interp/context.h"
#include "core/isa/decode.h"
#include "core/semantics/host/host.h"

namespace tandem::interp {

class InterpVcpu final : public cpu::Vcpu, public mem::CodeWriteListener, private BlockSource {
 public:
  InterpVcpu(VcpuId id, mem::GuestMemory& memory, const cpu::CpuModel& model,
             std::unique_ptr<semantics::HostCode> host_code, std::unique_ptr<UpperTier> tier = nullptr);
  ~InterpVcpu() override;
  // Translated code names the Context by its address, in 32 bits.
  static void* operator new(std::size_t bytes);
  static void operator delete(void* memory, std::size_t bytes);

  cpu::Stop run(const cpu::RunBudget& budget, cpu::ExitSink& sink) override;
  void kick() noexcept override;
  void signal(cpu::Signal s, u8 sipi_vector) noexcept override;
  u64 retired() const override;
  u64 mapping_changes() const override { return c_.mapping_generation + c_.flushed_pages; }
  Result<void> export_state(cpu::CpuState& out) override;
  Result<void> import_state(const cpu::CpuState& in) override;
  Result<void> import_registers(const cpu::CpuState& in) override;
  void statistics(const Report& report) const override;
  std::string code_text(Gpa at) const override;
  void flush_translations() override;
  Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) override;

  bool code_written(Gpa start, u64 length) noexcept override;
  void code_page_added(u64 page, mem::CodeWriteListener& who) noexcept override;
  void remapped(Gpa start, u64 length) noexcept override;

 private:
  // What other threads did to pages, until this vCPU's takes note.
  struct PageChanges {
    struct Written {
      u64 start, end;
    };
    std::unordered_map<u64, Written> written;  // by page: all of that is between these two, within it
    std::unordered_set<u64> added;  // became code pages of someone else; by their numbers in the memfd
  };
  // What to do at a boundary: go on, or leave run() with a reason.
  enum class Next : u8 { Run, Stop };

  Next handle_requests(cpu::StopReason& why);
  Next handle_events(cpu::StopReason& why);
  bool take(u32 request);
  bool deliver_debug_traps();
  bool take_interrupt();
  void startup(u8 vector);

  void run_block(cpu::StopReason& why, bool& stop);
  void run_single();
  Block* next_block();
  void remember(Block* block);
  bool instruction_breakpoint();
  bool at_debug_breakpoint() const {
    return debug_points_ && debug_points_->breakpoints.contains(linear_rip(c_));
  }
  bool debugger_stops_inside(u64 linear) const;
  void forget_blocks_of(const std::unordered_set<u64>& breakpoints);
  void step();
  void step_over_watched();
  void after_leave();
  void finish_boundary(const Insn& insn, Step how);
  void shutdown();

  Block* block_at(u64 linear, bool& global) override;
  Block* find_block();
  Block* find_block_at(u64 linear);
  bool runs_over(const Block& block) const;
  Block* single_block(u64 linear);
  Block* crossing_block(u64 linear);
  bool still_crosses(const Block& block, u64 linear);
  Block* decode_block(u64 linear, Gpa physical);
  bool fetch(u64 linear, u8* bytes, unsigned& available, Gpa& first, Gpa& second);
  bool decode_one(u64 linear, Block& block);
  void mark_code(u64 physical);
  void protect(u64 page);
  void post_written(u64 start, u64 length);
  void post_added(u64 page);
  void ask_to_process_changes();
  void process_code_requests();
  void drop_everything();
  u64 executed_in_block() const;
  bool runs_on_this_thread() const {
    return runner_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  Context c_;
  std::unique_ptr<UpperTier> tier_;
  BlockCache cache_;
  Block single_;
  std::unique_ptr<semantics::HostCode> host_code_;
  isa::Decoder decoder_;
  static constexpr unsigned kMaxInsns = 64;  // of a block
  // Of the block that is made.
  std::array<isa::Insn, kMaxInsns + 1> decoded_;
  std::array<u8, kMaxInsns * isa::kMaxLength> code_;
  u64 retired_base_ = 0;   // instructions retired before this run()
  i64 budget_ = 0;         // of this run()
  bool stepping_ = false;  // this run() is to end behind one instruction
  std::shared_ptr<const cpu::DebugPoints> debug_points_;
  std::unordered_set<u64> breakpoint_offsets_;  // of debug_points_, in their pages
  cpu::DebugHit debug_hit_;
  std::atomic<std::thread::id> runner_{};  // whose run() is under way

  std::mutex changes_mutex_;
  PageChanges changes_;  // guarded by changes_mutex_
};

}  // namespace tandem::interp
