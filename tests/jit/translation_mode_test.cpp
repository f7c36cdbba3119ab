// What makes a translation another one: build/tests/jit/jit_test --gtest_filter='*TranslationMode*'
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "core/cpu/cpuid_models.h"
#include "jit/runtime/translation_mode.h"

namespace tandem::jit {
namespace {

using namespace cpu;
using interp::Context;

struct ContextMemory {
  ContextMemory() : context(std::make_unique<Context>()) {
    context->model = &model;
    context->host_tsc_offset = 0;
  }
  CpuModel model = make_cpu_model("max").take();
  std::unique_ptr<Context> context;
  SegmentUses segments;

  TranslationMode mode(bool hosted = false) {
    update_mode(*context);
    if (context->mode.code_size != 8) segments.follow(*context);
    return translation_mode(*context, hosted, segments);
  }
};

constexpr Segment kFlat{.type = 3, .s = true, .present = true, .db = true, .limit = 0xffffffff};

void set_real(CpuState& s) {
  s.cr0 &= ~kCr0Pe;
  for (Segment& segment : s.segments) segment = {.type = 3, .s = true, .present = true, .limit = 0xffff};
}
void set_flat(CpuState& s) {
  s.cr0 |= kCr0Pe;
  for (Segment& segment : s.segments) segment = kFlat;
  s.segments[kCs].type = 11;
}
void set_16_bits(CpuState& s) {
  set_flat(s);
  for (Segment& segment : s.segments) segment.db = false, segment.limit = 0xffff;
}
void set_long(CpuState& s) {
  set_flat(s);
  s.efer |= kEferLma;
  s.segments[kCs].l = true;
  s.segments[kCs].db = false;
}

void set_user(CpuState& s) {
  set_flat(s);
  s.segments[kSs].dpl = 3;
}
void set_avx512(CpuState& s) {
  set_flat(s);
  s.cr4 |= kCr4Osfxsr | kCr4Osxsave;
  s.xcr0 = kXfeatureX87 | kXfeatureSse | kXfeatureAvx | kXfeatureAvx512;
}
void set_avx(CpuState& s) {
  set_avx512(s);
  s.xcr0 &= ~kXfeatureAvx512;
}
void set_smap(CpuState& s) {
  set_flat(s);
  s.cr4 |= kCr4Smap;
}

struct Row {
  const char* name;
  void (*set)(CpuState&);
  std::function<void(CpuState&)> change;
  bool is_another;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

std::vector<Row> rows() {
  std::vector<Row> all = {
      {"CodeOf32BitsWithABase", set_flat, [](auto& s) { s.segments[kCs].base = 16; }, true},
      {"CodeOf32BitsWithALimit", set_flat, [](auto& s) { s.segments[kCs].limit = 0xfffff; }, true},
      {"CodeThatCannotBeRead", set_flat, [](auto& s) { s.segments[kCs].type = 9; }, true},
      {"DefaultSizeOfCode", set_flat, [](auto& s) { s.segments[kCs].db = false; }, true},
      {"SizeOfTheStackPointer", set_flat, [](auto& s) { s.segments[kSs].db = false; }, true},
      {"PrivilegeLevel", set_flat, [](auto& s) { s.segments[kSs].dpl = 3; }, true},
      {"ProtectedMode", set_real, [](auto& s) { s.cr0 |= kCr0Pe; }, true},
      {"Virtual8086Mode", set_16_bits, [](auto& s) { s.rflags |= kVm; }, true},
      {"LongMode", set_flat, set_long, true},
      {"CodeOf16BitsWithABase", set_real, [](auto& s) { s.segments[kCs].base = 16; }, false},
      {"CodeOf16BitsWithLimit", set_real, [](auto& s) { s.segments[kCs].limit = 0xfff; }, true},
      {"X87Off", set_flat, [](auto& s) { s.cr0 |= kCr0Em; }, true},
      {"X87SwitchedAway", set_flat, [](auto& s) { s.cr0 |= kCr0Ts; }, true},
      {"SseOn", set_flat, [](auto& s) { s.cr4 |= kCr4Osfxsr; }, true},
      {"AvxOff", set_avx, [](auto& s) { s.xcr0 &= ~kXfeatureAvx; }, true},
      {"AvxWithoutXsave", set_avx, [](auto& s) { s.cr4 &= ~kCr4Osxsave; }, true},
      {"Avx512Off", set_avx512, [](auto& s) { s.xcr0 &= ~kXfeatureAvx512; }, true},
      {"TscRefusedToUsers", set_user, [](auto& s) { s.cr4 |= kCr4Tsd; }, true},
      {"TscOfTheKernel", set_flat, [](auto& s) { s.cr4 |= kCr4Tsd; }, false},
      {"AccessToUsersPages", set_smap, [](auto& s) { s.rflags |= kAc; }, true},
      {"ArithmeticFlags", set_flat, [](auto& s) { s.rflags |= kArithmeticFlags; }, false},
  };
  for (const unsigned name : {kEs, kSs, kDs, kFs, kGs}) {
    const bool may_have_base = name >= kFs;
    all.push_back({"Base", set_flat, [=](auto& s) { s.segments[name].base = 0x1000; }, !may_have_base});
    all.push_back({"Limit", set_flat, [=](auto& s) { s.segments[name].limit = 0xfffff; }, true});
    all.push_back({"ReadOnly", set_flat, [=](auto& s) { s.segments[name].type = 1; }, true});
    all.push_back({"ExpandDown", set_flat, [=](auto& s) { s.segments[name].type = 7; }, true});
    all.push_back({"Absent", set_flat, [=](auto& s) { s.segments[name].present = false; }, true});
    all.push_back({"BaseInRealMode", set_real, [=](auto& s) { s.segments[name].base = 0x1230; }, false});
    all.push_back({"LimitInRealMode", set_real, [=](auto& s) { s.segments[name].limit = 0xfffe; }, true});
    all.push_back({"LongLimitInRealMode", set_real, [=](auto& s) { s.segments[name].limit = ~0u; }, false});
    all.push_back({"TypeInRealMode", set_real, [=](auto& s) { s.segments[name].type = 9; }, false});
    all.push_back({"ReadOnly16", set_16_bits, [=](auto& s) { s.segments[name].type = 1; }, true});
    all.push_back({"SegmentsIn64Bits", set_long, [=](auto& s) { s.segments[name].limit = 0; }, false});
  }
  return all;
}

class OfState : public testing::TestWithParam<Row> {};

TEST_P(OfState, IsAnotherTranslationMode) {
  ContextMemory memory;
  Context& c = *memory.context;
  const Row& row = GetParam();
  row.set(c.state);
  const TranslationMode before = memory.mode();
  row.change(c.state);
  const TranslationMode behind = memory.mode();
  EXPECT_EQ(behind != before, row.is_another);
  // Whatever it was before.
  memory.segments = {};
  EXPECT_EQ(memory.mode(), behind);
}

INSTANTIATE_TEST_SUITE_P(All, OfState, testing::ValuesIn(rows()),
                         [](const auto& info) { return info.param.name + std::to_string(info.index); });

// Each of its own.
TEST(TranslationMode, OfSegmentsAreToldApart) {
  ContextMemory memory;
  Context& c = *memory.context;
  set_flat(c.state);
  std::vector<TranslationMode> modes = {memory.mode()};
  for (Segment& segment : c.state.segments) {
    segment.limit = 0xfffff;
    modes.push_back(memory.mode());
    segment.limit = 0xffffffff;
  }
  std::ranges::sort(modes);
  EXPECT_EQ(std::ranges::adjacent_find(modes), modes.end());
}

TEST(TranslationMode, IsHostedOnlyWhereCodeIsFlat) {
  ContextMemory memory;
  Context& c = *memory.context;
  set_flat(c.state);
  EXPECT_TRUE(memory.mode(true) & kHostedMode);
  c.limited = true;
  EXPECT_TRUE(memory.mode() & kLimitedMode);
  set_real(c.state);
  EXPECT_FALSE(memory.mode(true) & kHostedMode);
}

}  // namespace
}  // namespace tandem::jit
