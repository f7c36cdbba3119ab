// Random programs on the host CPU and on an engine. Under a sanitizer, the interpreter stands for the host
// CPU. A difference is printed as a ready line for a .case file.
//   differential [--seed N] [--count INSTRUCTIONS] [--engine NAME] [--filter MNEMONIC] [--limit DIFFERENCES]
#include <fmt/format.h>

#include <cstdlib>

#include "tests/isa/compare.h"
#include "tests/support/engines.h"

namespace tandem::tests {
namespace {

struct Request {
  u64 seed = std::random_device{}();
  u64 count = 300'000;
  std::string engine = "interp", filter;
  u64 limit = 10;
};

Request parse(int argc, char** argv) {
  Request r;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i], value = argv[i + 1];
    if (key == "--seed") r.seed = std::stoull(value);
    if (key == "--count") r.count = std::stoull(value);
    if (key == "--engine") r.engine = value;
    if (key == "--filter") r.filter = value;
    if (key == "--limit") r.limit = std::stoull(value);
  }
  return r;
}

// Sanitizers have memory where the host's CPU is to find none.
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);

// What is right, with what it needs to live.
class Judge {
 public:
  static Result<Judge> create(const cpu::CpuModel& model) {
    Judge judge;
    if (kSanitized) {
      judge.engine_ = interp::make_interp_engine();
      TANDEM_TRY_ASSIGN(guest, EngineExecutor::create(*judge.engine_, model));
      judge.guest_ = std::move(guest);
    } else {
      TANDEM_TRY_ASSIGN(native, NativeExecutor::create());
      judge.native_ = std::move(native);
    }
    return judge;
  }
  Oracle oracle() const { return native_ ? oracle_of(*native_) : oracle_of(*guest_); }

 private:
  std::unique_ptr<NativeExecutor> native_;
  std::unique_ptr<cpu::Engine> engine_;
  std::unique_ptr<EngineExecutor> guest_;
};

int run(const Request& r) {
  auto model = cpu::make_cpu_model("max");
  if (!model) return fmt::print("{}\n", model.error().message), 1;
  auto judge = Judge::create(model.value());
  if (!judge) return fmt::print("{}\n", judge.error().message), 1;
  for (const EngineRow& row : engine_rows()) {
    if (row.name != r.engine) continue;
    const auto engine = row.make();
    auto guest = EngineExecutor::create(*engine, model.value());
    if (!guest) return fmt::print("{}\n", guest.error().message), 1;
    Generator generator(model.value(), r.seed, r.filter);
    Comparer comparer(judge.value().oracle(), *guest.value(), row.exact_flags);
    fmt::print("seed {}, {} mnemonics\n", r.seed, generator.pool().size());
    u64 done = 0, differences = 0;
    while (done < r.count && differences < r.limit) {
      const Program p = generator.next();
      done += p.insns.size();
      const std::string report = comparer.compare(p);
      if (report.empty()) continue;
      ++differences;
      fmt::print("{}", report);
      std::fflush(stdout);
    }
    fmt::print("{} instructions, {} differences\n", done, differences);
    return differences ? 1 : 0;
  }
  return fmt::print("no engine {}\n", r.engine), 1;
}

}  // namespace
}  // namespace tandem::tests

int main(int argc, char** argv) { return tandem::tests::run(tandem::tests::parse(argc, argv)); }
