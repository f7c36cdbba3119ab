// Blocks of plans, of real code.
#pragma once

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <span>
#include <utility>
#include <vector>

#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "jit/base/decoded.h"
#include "jit/llvm/plan.h"

namespace tandem::jit {

class PlanBlocks {
 public:
  PlanBlocks() {
    cpu_.model = &model_;
    cpu_.mode.code_size = 8;
    cpu_.mode.protected_mode = cpu_.mode.long_mode = true;
    ZydisDecoderInit(&zydis_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }

  // targets: where its indirect branch was seen to go. Each access is hosted in `region`.
  void add(PlaceInRegion at, std::vector<u8> bytes, std::vector<PlaceInRegion> targets = {}, u8 region = 2) {
    PlanBlock& p = plan_.blocks.emplace_back();
    p.at = at;
    p.bytes = std::move(bytes);
    p.targets = std::move(targets);
    std::vector<Decoded>& decoded = decoded_.emplace_back();
    for (std::size_t offset = 0; offset < p.bytes.size();) {
      isa::Insn insn;
      ASSERT_EQ(decoder_.decode(cpu_, std::span(std::as_const(p.bytes)).subspan(offset), 8,
                                static_cast<u16>(offset), insn),
                isa::DecodeStatus::Ok);
      p.insns.push_back(insn);
      decode(zydis_, insn, p.bytes, decoded.emplace_back());
      offset += insn.length;
    }
    p.regions.assign(2 * p.insns.size(), region);
    p.leaves.assign(p.insns.size(), false);
  }
  const RegionPlan& plan() const { return plan_; }
  const std::vector<std::vector<Decoded>>& decoded() const { return decoded_; }

 private:
  const cpu::CpuModel model_ = cpu::default_cpu_model();
  cpu::Cpu cpu_;
  isa::Decoder decoder_{model_};
  ZydisDecoder zydis_{};
  RegionPlan plan_;
  std::vector<std::vector<Decoded>> decoded_;
};

}  // namespace tandem::jit
