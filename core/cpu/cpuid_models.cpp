#include "core/cpu/cpuid_models.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "core/base/bits.h"
#include "core/cpu/cpu_state.h"

namespace tandem::cpu {

namespace {

enum class Reg : u8 { Eax, Ebx, Ecx, Edx };

struct FeatureRow {
  std::string_view name;
  u32 leaf, subleaf;
  Reg reg;
  u8 bit;
  u8 baseline;
};

constexpr FeatureRow kFeatures[] = {
#define FEATURE(name, leaf, subleaf, reg, bit, baseline) {#name, leaf, subleaf, Reg::reg, bit, baseline},
#include "core/cpu/features.def"
#undef FEATURE
};

struct NamedModel {
  std::string_view name, brand;
  u8 baseline;
  u8 family, model, stepping;
  std::string_view without;  // features of the baseline that this model lacks, as "a,b"
};

constexpr std::string_view kNo64 =
    "lm,syscall,nx,lahf_lm,rdtscp,tsc_adjust,x2apic,tsc_deadline,erms,fsrm,spec_ctrl,arch_capabilities,ssbd,"
    "invariant_tsc,sse2,clflush";

constexpr NamedModel kModels[] = {
    {"x86-64-v1", "Tandem x86-64-v1", 1, 6, 15, 1, ""},
    {"x86-64-v2", "Tandem x86-64-v2", 2, 6, 26, 3, ""},
    {"x86-64-v3", "Tandem x86-64-v3", 3, 6, 94, 3, ""},
    {"x86-64-v4", "Tandem x86-64-v4", 4, 6, 106, 6, ""},
    {"max", "Tandem max", 5, 6, 106, 6, "monitor"},
    {"pentium3", "Tandem Pentium III class", 1, 6, 8, 3, kNo64},
    {"486", "Tandem 486 class", 0, 4, 8, 0, ""},
};

u32 select(const CpuidResult& r, Reg reg) {
  switch (reg) {
    case Reg::Eax: return r.eax;
    case Reg::Ebx: return r.ebx;
    case Reg::Ecx: return r.ecx;
    default: return r.edx;
  }
}

CpuidResult host_cpuid(u32 leaf, u32 subleaf) {
  CpuidResult r;
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

// Leaf 0Dh of the host, read once: CPUID is slow on a host that is a guest itself, and XSAVE asks often.
const CpuidResult& host_xsave_leaf(u32 subleaf) {
  static const std::array<CpuidResult, 32> leaves = [] {
    std::array<CpuidResult, 32> all;
    for (u32 i = 0; i < all.size(); ++i) all[i] = host_cpuid(0xd, i);
    return all;
  }();
  static constexpr CpuidResult kNothing{};
  return subleaf < leaves.size() ? leaves[subleaf] : kNothing;
}

// Features that code on the host CPU stands for: the host must have them.
bool needs_host(const FeatureRow& row) {
  static constexpr std::string_view kHost[] = {"sse3",         "pclmulqdq",
                                               "ssse3",        "fma",
                                               "cx16",         "sse41",
                                               "sse42",        "aes",
                                               "avx",          "f16c",
                                               "avx2",         "avx512f",
                                               "avx512dq",     "avx512ifma",
                                               "avx512cd",     "sha",
                                               "avx512bw",     "avx512vl",
                                               "avx512vbmi",   "avx512vbmi2",
                                               "gfni",         "vaes",
                                               "vpclmulqdq",   "avx512vnni",
                                               "avx512bitalg", "avx512vpopcntdq",
                                               "rdrand",       "rdseed"};
  return std::find(std::begin(kHost), std::end(kHost), row.name) != std::end(kHost);
}

bool host_has(const FeatureRow& row) {
  return !needs_host(row) || bit(select(host_cpuid(row.leaf, row.subleaf), row.reg), row.bit);
}

bool listed(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    list = comma == std::string_view::npos ? "" : list.substr(comma + 1);
  }
  return false;
}

CpuModel build(const NamedModel& named) {
  CpuModel m;
  m.name = named.name;
  m.brand = named.brand;
  m.family = named.family;
  m.model = named.model;
  m.stepping = named.stepping;
  for (unsigned i = 0; i < std::size(kFeatures); ++i)
    m.features[i] = kFeatures[i].baseline <= named.baseline && !listed(named.without, kFeatures[i].name);
  return m;
}

Result<void> require_host(const CpuModel& m) {
  for (unsigned i = 0; i < std::size(kFeatures); ++i)
    if (m.features[i] && !host_has(kFeatures[i]))
      return host_error("cpu: " + m.name + " needs " + std::string(kFeatures[i].name) +
                        ", which this host's CPU lacks");
  return {};
}

const NamedModel* find_named(std::string_view name) {
  for (const NamedModel& m : kModels)
    if (m.name == name) return &m;
  return nullptr;
}

Result<void> apply_feature(CpuModel& m, std::string_view change) {
  if (change.size() < 2 || (change[0] != '+' && change[0] != '-'))
    return user_error("cpu: expected +feature or -feature, not '" + std::string(change) + "'");
  for (unsigned i = 0; i < std::size(kFeatures); ++i)
    if (kFeatures[i].name == change.substr(1)) {
      m.features[i] = change[0] == '+';
      return {};
    }
  return user_error("cpu: unknown feature '" + std::string(change.substr(1)) + "'");
}

}  // namespace

std::vector<std::string_view> cpu_model_names() {
  std::vector<std::string_view> names;
  for (const NamedModel& m : kModels) names.push_back(m.name);
  return names;
}

Result<CpuModel> make_cpu_model(std::string_view specification) {
  const auto comma = specification.find(',');
  const std::string_view name = specification.substr(0, comma);
  const NamedModel* named = find_named(name);
  if (!named) return user_error("cpu: unknown model '" + std::string(name) + "'");
  CpuModel m = build(*named);
  if (name == "max")
    for (unsigned i = 0; i < std::size(kFeatures); ++i)
      if (!host_has(kFeatures[i])) m.features[i] = false;
  std::string_view rest = comma == std::string_view::npos ? "" : specification.substr(comma + 1);
  while (!rest.empty()) {
    const auto next = rest.find(',');
    TANDEM_TRY(apply_feature(m, rest.substr(0, next)));
    rest = next == std::string_view::npos ? "" : rest.substr(next + 1);
  }
  TANDEM_TRY(require_host(m));
  return m;
}

CpuModel default_cpu_model() {
  for (std::string_view name : {"x86-64-v4", "x86-64-v3", "x86-64-v2"})
    if (auto m = make_cpu_model(name)) return m.take();
  return make_cpu_model("x86-64-v1").take();
}

u64 xcr0_mask(const CpuModel& m) {
  u64 mask = kXfeatureX87 | kXfeatureSse;
  if (m.has(Feature::avx)) mask |= kXfeatureAvx;
  if (m.has(Feature::avx512f)) mask |= kXfeatureAvx512;
  return mask;
}

u64 cr4_mask(const CpuModel& m) {
  u64 mask = 0;
  auto allow = [&](Feature f, u64 bits) { mask |= m.has(f) ? bits : 0; };
  allow(Feature::tsc, kCr4Tsd);
  allow(Feature::de, kCr4De);
  allow(Feature::pse, kCr4Pse);
  allow(Feature::pae, kCr4Pae);
  allow(Feature::mce, kCr4Mce);
  allow(Feature::pge, kCr4Pge);
  allow(Feature::mmx, kCr4Pce);
  allow(Feature::fxsr, kCr4Osfxsr);
  allow(Feature::sse, kCr4Osxmmexcpt);
  allow(Feature::umip, kCr4Umip);
  allow(Feature::fsgsbase, kCr4Fsgsbase);
  allow(Feature::pcid, kCr4Pcide);
  allow(Feature::xsave, kCr4Osxsave);
  allow(Feature::smep, kCr4Smep);
  allow(Feature::smap, kCr4Smap);
  return mask;
}

u64 efer_mask(const CpuModel& m) {
  u64 mask = 0;
  if (m.has(Feature::syscall)) mask |= kEferSce;
  if (m.has(Feature::lm)) mask |= kEferLme | kEferLma;
  if (m.has(Feature::nx)) mask |= kEferNxe;
  return mask;
}

namespace {

// Sum of all feature bits of one leaf.
CpuidResult feature_bits(const CpuModel& m, u32 leaf, u32 subleaf) {
  CpuidResult r;
  for (unsigned i = 0; i < std::size(kFeatures); ++i) {
    const FeatureRow& f = kFeatures[i];
    if (!m.features[i] || f.leaf != leaf || f.subleaf != subleaf) continue;
    const u32 b = 1u << f.bit;
    switch (f.reg) {
      case Reg::Eax: r.eax |= b; break;
      case Reg::Ebx: r.ebx |= b; break;
      case Reg::Ecx: r.ecx |= b; break;
      case Reg::Edx: r.edx |= b; break;
    }
  }
  return r;
}

u32 signature(const CpuModel& m) {
  return m.stepping | (m.model & 15) << 4 | m.family << 8 | (m.family == 6 ? (m.model >> 4) << 16 : 0);
}

CpuidResult leaf_1(const CpuModel& m, const CpuidContext& c) {
  CpuidResult r = feature_bits(m, 1, 0);
  r.eax = signature(m);
  r.ebx = c.apic_id << 24 | std::min(m.vcpus, 255u) << 16 | (m.has(Feature::clflush) ? 8u << 8 : 0);
  if (m.vcpus > 1) r.edx |= 1u << 28;  // HTT: leaf 0xB describes the topology
  if (c.osxsave) r.ecx |= 1u << 27;
  if (!c.apic_enabled) r.edx &= ~(1u << 9);
  return r;
}

// Topology: vCPUs are cores of one package, one thread each.
CpuidResult leaf_topology(const CpuModel& m, u32 subleaf, const CpuidContext& c) {
  CpuidResult r;
  r.ecx = subleaf;
  r.edx = c.apic_id;
  if (subleaf == 0) {
    r.ebx = 1;
    r.ecx |= 1 << 8;
  } else if (subleaf == 1) {
    while ((1u << r.eax) < m.vcpus) ++r.eax;
    r.ebx = m.vcpus;
    r.ecx |= 2 << 8;
  }
  return r;
}

u32 xsave_size(u64 features, bool compacted) {
  u32 size = 576;
  for (unsigned i = 2; i < 63; ++i) {
    if (!bit(features, i)) continue;
    const CpuidResult& h = host_xsave_leaf(i);
    if (compacted) size = static_cast<u32>(bit(h.ecx, 1) ? align_up(size, 64) : size) + h.eax;
    else size = std::max(size, h.ebx + h.eax);
  }
  return size;
}

// Component offsets are the host's, so that XSAVE images are what the host would write.
CpuidResult leaf_xsave(const CpuModel& m, u32 subleaf, const CpuidContext& c) {
  const u64 mask = xcr0_mask(m);
  if (!m.has(Feature::xsave)) return {};
  if (subleaf == 0) return {static_cast<u32>(mask), xsave_size(c.xcr0, false), xsave_size(mask, false), 0};
  if (subleaf == 1) {
    CpuidResult r = feature_bits(m, 0xd, 1);
    r.ebx = xsave_size(c.xcr0 | c.xss, true);
    return r;
  }
  if (subleaf < 2 || subleaf > 62 || !bit(mask, subleaf)) return {};
  const CpuidResult& h = host_xsave_leaf(subleaf);
  return {h.eax, h.ebx, h.ecx & 2, 0};
}

CpuidResult brand_leaf(const CpuModel& m, unsigned part) {
  char text[48] = {};
  m.brand.copy(text, sizeof text - 1);
  CpuidResult r;
  std::memcpy(&r, text + part * 16, 16);
  return r;
}

CpuidResult extended(const CpuModel& m, u32 leaf) {
  switch (leaf) {
    case 0x80000000: return {0x80000008, 0, 0, 0};
    case 0x80000001: return feature_bits(m, leaf, 0);
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: return brand_leaf(m, leaf - 0x80000002);
    case 0x80000006: return {0, 0, 0x02006040, 0};
    case 0x80000007: return feature_bits(m, leaf, 0);
    case 0x80000008: {
      CpuidResult r = feature_bits(m, leaf, 0);
      r.eax = m.physical_bits | 48 << 8;
      return r;
    }
    default: return {};
  }
}

u32 max_basic_leaf(const CpuModel& m) {
  if (m.has(Feature::xsave) || m.has(Feature::lm)) return 0x16;
  return m.family >= 6 ? 2 : 1;
}

// Descriptors of caches and TLBs (SDM, CPUID, table 3-12): FFh sends to leaf 4, where programs ask on until
// it ends; CPUs without it have theirs here: L1 of 16 KiB for code and for data, L2 of 512 KiB.
CpuidResult leaf_caches(const CpuModel& m) {
  if (max_basic_leaf(m) >= 4) return {0x00feff01, 0, 0, 0};
  return {0x03020101, 0, 0, 0x0c040843};
}

// Cache parameters (SDM, CPUID, leaf 4), the same on every host: L1 and L2 of each vCPU, an L3 for all of
// them. Where there is none, the GNU C library copies 16 KiB and more past the caches.
CpuidResult leaf_cache_parameters(const CpuModel& m, u32 subleaf) {
  struct Cache {
    u32 type, level, ways, sets;
    bool shared;
  };
  constexpr u32 kData = 1, kCode = 2, kUnified = 3, kLineBytes = 64, kSelfInitializing = 1u << 8;
  constexpr Cache kCaches[] = {
      {kData, 1, 8, 64, false},        // 32 KiB
      {kCode, 1, 8, 64, false},        // 32 KiB
      {kUnified, 2, 8, 1024, false},   // 512 KiB, as in leaf 80000006h
      {kUnified, 3, 16, 16384, true},  // 16 MiB
  };
  if (subleaf >= std::size(kCaches)) return {};
  const Cache& c = kCaches[subleaf];
  const u32 apic_ids = std::bit_ceil(m.vcpus);
  const u32 sharing = c.shared ? std::min(apic_ids, 4096u) : 1, cores = std::min(apic_ids, 64u);
  return {c.type | c.level << 5 | kSelfInitializing | (sharing - 1) << 14 | (cores - 1) << 26,
          (kLineBytes - 1) | (c.ways - 1) << 22, c.sets - 1, 0};
}

}  // namespace

CpuidResult cpuid(const CpuModel& m, u32 leaf, u32 subleaf, const CpuidContext& c) {
  if (leaf >= 0x80000000) return m.family < 6 ? CpuidResult{} : extended(m, leaf);
  if (leaf >= 0x40000000)
    return leaf == 0x40000000 ? CpuidResult{0x40000000, 0x646e6154, 0x61546d65, 0x6d65646e} : CpuidResult{};
  if (leaf > max_basic_leaf(m)) leaf = max_basic_leaf(m);  // as Intel CPUs answer
  switch (leaf) {
    case 0: return {max_basic_leaf(m), 0x756e6547, 0x6c65746e, 0x49656e69};  // GenuineIntel
    case 1: return leaf_1(m, c);
    case 2: return leaf_caches(m);
    case 4: return leaf_cache_parameters(m, subleaf);
    case 6: return {1u << 2, 0, 0, 0};  // ARAT: the APIC timer always runs
    case 7: {
      if (subleaf != 0) return {};
      return feature_bits(m, 7, 0);
    }
    case 0xb: return leaf_topology(m, subleaf, c);
    case 0xd: return leaf_xsave(m, subleaf, c);
    // TSC frequency as core crystal * ebx / eax.
    // The crystal is the local APIC timer's clock, 1 GHz here; TSC = crystal * EBX / EAX.
    case 0x15: return {1000, static_cast<u32>(m.tsc_hz / 1'000'000), 1'000'000'000, 0};
    case 0x16:
      return {static_cast<u32>(m.tsc_hz / 1'000'000), static_cast<u32>(m.tsc_hz / 1'000'000), 100, 0};
    default: return {};
  }
}

}  // namespace tandem::cpu
