// CPU models: named sets of features, and what CPUID says of them. Data in features.def and cpuid_models.cpp.
#pragma once

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace tandem::cpu {

enum class Feature : unsigned {
#define FEATURE(name, leaf, subleaf, reg, bit, baseline) name,
#include "core/cpu/features.def"
#undef FEATURE
  kCount
};

struct CpuModel {
  std::string name;
  std::string brand;
  unsigned family = 6, model = 106, stepping = 6;
  unsigned physical_bits = 40;
  u64 tsc_hz = 1'000'000'000;  // set by the machine: what CPUID leaf 0x15 announces
  unsigned vcpus = 1;
  bool repeatable_random = false;  // RDRAND and RDSEED follow from the TSC: for runs that are to repeat
  std::bitset<static_cast<unsigned>(Feature::kCount)> features;

  bool has(Feature f) const { return features.test(static_cast<unsigned>(f)); }
};

// A model by its specification: a name (x86-64-v1 .. x86-64-v4, 486, pentium3, max), then +feature and
// -feature, separated by commas. Error: unknown name or feature, or one that this host can't execute.
Result<CpuModel> make_cpu_model(std::string_view specification);
// The best model that every engine can run here.
CpuModel default_cpu_model();
std::vector<std::string_view> cpu_model_names();

struct CpuidResult {
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};
// What the state of a CPU adds to CPUID.
struct CpuidContext {
  u32 apic_id = 0;
  bool osxsave = false, apic_enabled = true;
  u64 xcr0 = 1, xss = 0;
};
CpuidResult cpuid(const CpuModel& model, u32 leaf, u32 subleaf, const CpuidContext& context);

// Bits that CR4, XCR0 and EFER may hold.
u64 cr4_mask(const CpuModel& model);
u64 xcr0_mask(const CpuModel& model);
u64 efer_mask(const CpuModel& model);

}  // namespace tandem::cpu
