// Writes .case lines for every mnemonic that runs in user mode, with the host CPU as the oracle.
//   make_cases FOLDER SEED      writes FOLDER/integer.case, x87.case, vector.case
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/isa/case_rules.h"
#include "tests/isa/compare.h"
#include "tests/isa/state_text.h"

namespace tandem::tests {
namespace {

constexpr unsigned kTries = 12;

class Maker {
 public:
  Maker(NativeExecutor& native, Generator& generator) : native_(native), generator_(generator) {}

  // A case of this mnemonic that does not fault, if there is one; empty where none was found at all.
  std::string line(ZydisMnemonic mnemonic) {
    std::string best;
    for (unsigned i = 0; i < kTries; ++i) {
      const Program p = generator_.single(mnemonic);
      if (p.insns.empty()) continue;
      const RunState end = run(p.code(), p.start, p.undefined_flags.back());
      if (end.fault && !best.empty()) continue;
      best = make(p);
      if (!end.fault) break;
    }
    return best;
  }

 private:
  RunState run(std::span<const u8> code, const RunState& start, u32 undefined) {
    RunState end = start;
    native_.run(code, end);
    normalise(end, undefined);
    return end;
  }

  std::string effect(std::span<const u8> code, const RunState& start, u32 undefined) {
    return difference(start, run(code, start, undefined));
  }

  // Keeps of the start state only what the effect depends on.
  std::string make(const Program& p) {
    const std::vector<u8> code = p.code();
    const u32 undefined = p.undefined_flags.back();
    RunState start = p.start, base = default_state();
    normalise(start, undefined);
    const std::string wanted = effect(code, start, undefined);
    const auto defaults = fields(base), values = fields(start);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::vector<u8> kept(values[i].data, values[i].data + values[i].size);
      std::memcpy(values[i].data, defaults[i].data, values[i].size);
      if (effect(code, start, undefined) != wanted) std::memcpy(values[i].data, kept.data(), kept.size());
    }
    clear_window(code, start, undefined, wanted);
    return to_line({code, disassemble(code), start, run(code, start, undefined), undefined});
  }

  void clear_window(std::span<const u8> code, RunState& start, u32 undefined, const std::string& wanted) {
    for (u64 size : {u64{kWindowSize}, u64{1024}, u64{64}, u64{8}})
      for (u64 at = 0; at < kWindowSize; at += size) {
        const auto first = start.window.begin() + static_cast<i64>(at), last = first + static_cast<i64>(size);
        if (std::all_of(first, last, [](u8 b) { return b == 0; })) continue;
        const std::vector<u8> kept(first, last);
        std::fill(first, last, u8{0});
        if (effect(code, start, undefined) != wanted) std::copy(kept.begin(), kept.end(), first);
      }
  }

  NativeExecutor& native_;
  Generator& generator_;
};

int run(const std::filesystem::path& folder, u64 seed) {
  auto native = NativeExecutor::create();
  auto model = cpu::make_cpu_model("max");
  if (!native || !model) return fmt::print(stderr, "no executor or no model\n"), 1;
  Generator generator(model.value(), seed, "");
  Maker maker(*native.value(), generator);
  std::ofstream integer(folder / "integer.case"), x87(folder / "x87.case"), vector(folder / "vector.case");
  for (std::ofstream* file : {&integer, &x87, &vector})
    *file << "# Made by make_cases with seed " << seed << ": CODE ; text | start | end [| undefined flags]\n";
  for (const auto& [mnemonic, encodings] : generator.pool()) {
    const Group group = group_of(encodings.front());
    std::ofstream& file = group == Group::Integer ? integer : group == Group::X87 ? x87 : vector;
    for (unsigned i = 0; i < (group == Group::Integer ? 3u : 1u); ++i)
      if (const std::string text = maker.line(mnemonic); !text.empty()) file << text << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace tandem::tests

int main(int argc, char** argv) {
  if (argc != 3) return fmt::print(stderr, "usage: make_cases FOLDER SEED\n"), 2;
  return tandem::tests::run(argv[1], std::stoull(argv[2]));
}
