// What translation costs apart from running: decodes and translates the code of a program, block by block.
//
//   build/tools/bench/translation/translation_bench [/bin/bash] [--rounds 5] [--cpl 3]
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <memory_resource>
#include <string>

#include "core/base/assert.h"
#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "core/isa/op.h"
#include "core/semantics/host/code_arena.h"
#include "core/semantics/host/host.h"
#include "jit/base/translator.h"
#include "jit/runtime/jump_table.h"

namespace tandem::bench {
namespace {

using interp::Block;
using jit::Translation;

constexpr unsigned kMaxInsns = 64;

struct Text {
  std::vector<u8> bytes;
  u64 address = 0;
};

// The executable segment of an ELF file of 64 bits.
Text text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::vector<char> all{std::istreambuf_iterator<char>(in), {}};
  Elf64_Ehdr header;
  ensure(all.size() > sizeof header, "an ELF file");
  std::memcpy(&header, all.data(), sizeof header);
  for (unsigned n = 0; n < header.e_phnum; ++n) {
    Elf64_Phdr segment;
    ensure(header.e_phoff + (n + 1) * sizeof segment <= all.size(), "a whole ELF file");
    std::memcpy(&segment, all.data() + header.e_phoff + n * sizeof segment, sizeof segment);
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    ensure(segment.p_offset + segment.p_filesz <= all.size(), "a whole ELF file");
    const auto* first = all.data() + segment.p_offset;
    return {{first, first + segment.p_filesz}, segment.p_vaddr};
  }
  ensure(false, "an ELF file with code");
  return {};
}

// Keeps what translations keep in the runtime.
class Numbers final : public jit::Ids {
 public:
  u32 new_site(Translation& in, u16 insn) override {
    sites_.emplace_back(&in, insn);
    return static_cast<u32>(sites_.size() - 1);
  }
  u32 new_link(const jit::Link& link) override {
    links_.push_back(link);
    return static_cast<u32>(links_.size() - 1);
  }
  void set_stub(u32 link, u32 offset) override { links_[link].stub = offset; }
  u64* new_cell() override { return &cell_; }
  void set_by_table(u32 link, u32 offset) override { links_[link].by_table = offset; }

 private:
  std::vector<std::pair<Translation*, u16>> sites_;
  std::vector<jit::Link> links_;
  u64 cell_ = 0;
};

// A vCPU in 64-bit mode with all vector units, of which nothing ever runs.
class Machine {
 public:
  explicit Machine(u8 cpl) {
    context_->model = &model_;
    context_->host_code = host_code_.get();
    context_->mode = {.code_size = 8, .stack_size = 8, .cpl = cpl, .protected_mode = true, .long_mode = true};
    context_->privilege = cpl == 3 ? mmu::Privilege::User : mmu::Privilege::Supervisor;
    context_->state.cr0 = cpu::kCr0Pe | cpu::kCr0Pg | cpu::kCr0Mp;
    context_->state.cr4 = cpu::kCr4Pae | cpu::kCr4Osfxsr | cpu::kCr4Osxsave;
    context_->state.xcr0 = cpu::kXfeatureX87 | cpu::kXfeatureSse | cpu::kXfeatureAvx;
  }

  void decode(const Text& text) {
    for (u64 at = 0; at < text.bytes.size();) {
      const u64 in_page = kPageSize - ((text.address + at) & kPageMask);
      Block& block = blocks_.emplace_back();
      block.key = {text.address + at, interp::mode_bits(context_->mode)};
      const auto bytes = std::span(text.bytes).subspan(at);
      decode_block(bytes.first(std::min<u64>(in_page, bytes.size())), block);
      if (block.count == 0) blocks_.pop_back();
      at += std::max<u64>(block.bytes, 1);
    }
  }

  void translate(const Text& text) {
    jit::Translator translator(*context_, stubs_, numbers_, {});
    for (Block& block : blocks_) {
      Translation& t = *std::pmr::polymorphic_allocator<>(&memory_).new_object<Translation>(&memory_);
      t.block = &block;
      t.rip = block.key.physical;
      t.moves = context_->mode.cpl == 3;
      const auto bytes = std::span(text.bytes).subspan(t.rip - text.address, block.bytes);
      t.code = arena_->append(translator.translate(t, bytes, arena_->next(), table_.data(), nullptr));
      ensure(t.code, "room for a block's code");
    }
  }

  u64 insns() const {
    u64 sum = 0;
    for (const Block& block : blocks_) sum += block.count;
    return sum;
  }
  std::size_t blocks() const { return blocks_.size(); }
  u64 code_bytes() const { return arena_->used(); }

 private:
  void decode_block(std::span<const u8> bytes, Block& block) {
    while (block.count < kMaxInsns && block.bytes < bytes.size()) {
      isa::Insn insn;
      if (decoder_.decode(*context_, bytes.subspan(block.bytes), 8, static_cast<u16>(block.bytes), insn) ==
          isa::DecodeStatus::Truncated)
        break;
      block.insns.push_back(insn);
      ++block.count;
      block.bytes += insn.length;
      if (isa::flow_of(insn.op) != isa::Flow::Normal) break;
    }
    if (block.count) block.insns.push_back({});
  }

  const cpu::CpuModel model_ = cpu::default_cpu_model();
  isa::Decoder decoder_{model_};
  std::unique_ptr<semantics::HostCode> host_code_ = semantics::HostCode::create().take();
  std::unique_ptr<interp::Context> context_ = std::make_unique<interp::Context>();
  std::unique_ptr<semantics::CodeArena> arena_ = semantics::CodeArena::create(256 * MiB).take();
  std::vector<u64> table_ = std::vector<u64>(2 * jit::JumpTable::kEntries);
  jit::Stubs stubs_;
  Numbers numbers_;
  std::deque<Block> blocks_;
  std::pmr::monotonic_buffer_resource memory_;  // of translations
};

double ns_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

void measure(const Text& text, u8 cpl) {
  Machine machine(cpl);
  const auto start = std::chrono::steady_clock::now();
  machine.decode(text);
  const double decoding = ns_since(start);
  const auto middle = std::chrono::steady_clock::now();
  machine.translate(text);
  const double translating = ns_since(middle);
  const auto insns = static_cast<double>(machine.insns());
  fmt::print(
      "{} blocks, {} instructions: decoding {:.1f} ns an instruction, translation {:.1f}, {:.1f} bytes\n",
      machine.blocks(), machine.insns(), decoding / insns, translating / insns,
      static_cast<double>(machine.code_bytes()) / insns);
}

}  // namespace
}  // namespace tandem::bench

int main(int argc, char** argv) {
  using namespace tandem;
  std::string file = "/bin/bash";
  unsigned rounds = 5, cpl = 3;
  for (int n = 1; n < argc; ++n) {
    const std::string_view word = argv[n];
    if (word == "--rounds" && n + 1 < argc) rounds = static_cast<unsigned>(std::stoul(argv[++n]));
    else if (word == "--cpl" && n + 1 < argc) cpl = static_cast<unsigned>(std::stoul(argv[++n]));
    else file = word;
  }
  const bench::Text text = bench::text_of(file);
  for (unsigned n = 0; n < rounds; ++n) bench::measure(text, static_cast<u8>(cpl));
}
