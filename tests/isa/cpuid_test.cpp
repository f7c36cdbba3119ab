// CPUID of the named models (SDM vol. 2A, CPUID).
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "core/cpu/cpuid_models.h"

namespace tandem::tests {
namespace {

using cpu::CpuidResult;

// Programs ask leaf 4 for one cache after the other where leaf 2 sends them there, until it says that there
// are no more; CPUs without that leaf answer with another one, for ever.
TEST(Cpuid, LeafTwoSendsToLeafFourOnlyWhereThatIs) {
  for (const std::string_view name : cpu::cpu_model_names()) {
    auto model = cpu::make_cpu_model(name);
    if (!model) continue;  // of a better host
    const auto ask = [&](u32 leaf, u32 subleaf) { return cpu::cpuid(model.value(), leaf, subleaf, {}); };
    const u32 most = ask(0, 0).eax;
    if (most < 2) continue;
    const CpuidResult caches = ask(2, 0);
    bool sends = false;
    for (const u32 reg : {caches.eax & ~0xffu, caches.ebx, caches.ecx, caches.edx})
      for (unsigned byte = 0; byte < 4; ++byte) sends |= (reg >> 8 * byte & 0xff) == 0xff;
    EXPECT_EQ(sends, most >= 4) << name;
    if (!sends) continue;
    u32 subleaf = 0;
    while ((ask(4, subleaf).eax & 0x1f) != 0 && subleaf < 32) ++subleaf;
    EXPECT_LT(subleaf, 32u) << name << ": caches without end";
  }
}

// Sizes as a C library works them out.
TEST(Cpuid, CachesHaveASizeAndThoseWhoShareThem) {
  struct Row {
    u32 vcpus, l3_sharing;
  };
  for (const Row& row : {Row{1, 1}, Row{3, 4}, Row{255, 256}}) {
    SCOPED_TRACE(row.vcpus);
    cpu::CpuModel model = cpu::make_cpu_model("x86-64-v2").take();
    model.vcpus = row.vcpus;
    std::vector<std::pair<u32, u64>> caches;  // level, bytes
    for (u32 i = 0;; ++i) {
      const CpuidResult r = cpu::cpuid(model, 4, i, {});
      if ((r.eax & 0x1f) == 0) break;
      const u64 ways = (r.ebx >> 22) + 1, partitions = (r.ebx >> 12 & 0x3ff) + 1, line = (r.ebx & 0xfff) + 1;
      caches.emplace_back(r.eax >> 5 & 7, ways * partitions * line * (u64{r.ecx} + 1));
      EXPECT_EQ((r.eax >> 14 & 0xfff) + 1, caches.back().first == 3 ? row.l3_sharing : 1);
    }
    EXPECT_EQ(caches, (std::vector<std::pair<u32, u64>>{
                          {1, 32 * KiB}, {1, 32 * KiB}, {2, 512 * KiB}, {3, 16 * MiB}}));
    EXPECT_EQ(cpu::cpuid(model, 0x80000006, 0, {}).ecx >> 16, 512u) << "KiB, the L2 again";
  }
}

}  // namespace
}  // namespace tandem::tests
