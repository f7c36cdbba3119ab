// CPUID of the named models (SDM vol. 2A, CPUID).
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace tandem::tests
