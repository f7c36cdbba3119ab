// Random programs of 16- and 32-bit code, with segments of all kinds: what the interpreter makes of them,
// another engine should.
#pragma once

#include <Zydis/Zydis.h>

#include <random>
#include <string>
#include <vector>

#include "core/cpu/cpu_state.h"

namespace tandem::tests {

enum class SegmentMode : u8 { Real, Virtual8086, Protected16, Protected32 };
std::string name_of(SegmentMode mode);

struct SegmentProgram {
  cpu::CpuState start;
  std::vector<u8> memory;
  std::vector<std::vector<u8>> insns;  // the last one is a HLT
  u64 code_bytes() const;
  // Does it hold what the program began with?
  bool has_code(const std::vector<u8>& other_memory) const;
  std::string text(SegmentMode mode) const;
};

class SegmentPrograms {
 public:
  static constexpr u64 kMemory = MiB / 2;

  SegmentPrograms(SegmentMode mode, u64 seed);
  SegmentProgram next();

 private:
  u64 random(u64 below) { return random_() % below; }
  bool chance(unsigned percent) { return random(100) < percent; }
  bool is_protected() const { return mode_ == SegmentMode::Protected16 || mode_ == SegmentMode::Protected32; }
  bool wide() const { return mode_ == SegmentMode::Protected32; }

  std::vector<u8> random_insn();
  void set_segments(cpu::CpuState& s);
  cpu::Segment real_segment();
  cpu::Segment data_segment();
  void write_descriptors(SegmentProgram& p);
  u64 edge();
  std::vector<std::vector<u8>> insns();
  void aim_branches(std::vector<std::vector<u8>>& insns);

  SegmentMode mode_;
  std::mt19937_64 random_;
  ZydisDecoder decoder_;
};

}  // namespace tandem::tests
