// Runs every line of the .case files on the bare host CPU and on every engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "core/cpu/isa_allowed.h"
#include "tests/isa/case_rules.h"
#include "tests/isa/compare.h"
#include "tests/isa/elsewhere.h"
#include "tests/isa/state_text.h"
#include "tests/support/engines.h"

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;

struct Line {
  std::string file, text;
  int number = 0;
};

std::vector<Line> lines() {
  std::vector<Line> all;
  for (const auto& entry : fs::directory_iterator(CASE_FOLDER)) {
    if (entry.path().extension() != ".case") continue;
    std::ifstream in(entry.path());
    int number = 0;
    for (std::string text; std::getline(in, text);) {
      ++number;
      if (!text.empty() && text[0] != '#') all.push_back({entry.path().filename(), text, number});
    }
  }
  return all;
}

RunState end_of(const RunState& state, u32 undefined) {
  RunState s = state;
  normalise(s, undefined);
  return s;
}

// Everything that a line is run on, made once.
struct Executors {
  Executors() : model(cpu::make_cpu_model("max").take()), native(NativeExecutor::create().take()) {
    for (const EngineRow& row : engine_rows()) {
      names.push_back(row.name);
      made.push_back(row.make());
      engines.push_back(EngineExecutor::create(*made.back(), model).take());
    }
  }
  cpu::CpuModel model;
  std::unique_ptr<NativeExecutor> native;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<cpu::Engine>> made;
  std::vector<std::unique_ptr<EngineExecutor>> engines;
};

class Cases : public testing::Test {
 protected:
  static Executors& executors() {
    static Executors all;
    return all;
  }

  static void run(const Line& line) {
    SCOPED_TRACE(line.file + ":" + std::to_string(line.number) + ": " + line.text);
    auto parsed = from_line(line.text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    const Case& c = parsed.value();
    Executors& e = executors();
    Decoded d;
    ASSERT_TRUE(decode64(c.code, d));
    if (!cpu::isa_allowed(e.model, d.insn.meta.isa_set))
      return absent_.insert(ZydisISASetGetString(d.insn.meta.isa_set)), void();
    RunState host = c.start;
    e.native->run(c.code, host);
    host = end_of(host, c.undefined_flags);
    if (!is_approximate(d.insn.mnemonic)) {
      EXPECT_EQ(difference(end_of(c.end, c.undefined_flags), host), "")
          << "the host CPU against the recorded end";
    }
    for (std::size_t i = 0; i < e.engines.size(); ++i) {
      RunState guest = c.start;
      const auto ran = e.engines[i]->run(c.code, guest);
      ASSERT_TRUE(ran) << ran.error().message;
      EXPECT_EQ(difference(host, end_of(guest, c.undefined_flags)), "")
          << e.names[i] << " against the host CPU";
    }
  }

  static inline std::set<std::string> absent_;
};

TEST_F(Cases, AllLinesOfAllFiles) {
  const std::vector<Line> all = lines();
  ASSERT_FALSE(all.empty()) << CASE_FOLDER;
  for (const Line& line : all) {
    run(line);
    if (HasFatalFailure()) return;
  }
  RecordProperty("lines", static_cast<int>(all.size()));
  for (const std::string& set : absent_) std::cout << "not on this host: " << set << "\n";
}

// Each row of the instruction table has a line, or says where else it is tested.
TEST_F(Cases, EveryRowOfTheTableIsCovered) {
  std::set<std::string> covered;
  for (const Line& line : lines()) {
    auto parsed = from_line(line.text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    Decoded d;
    ASSERT_TRUE(decode64(parsed.value().code, d)) << line.text;
    std::string name = ZydisMnemonicGetString(d.insn.mnemonic);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char ch) { return static_cast<char>(std::toupper(ch)); });
    covered.insert(name);
  }
  const std::string rows[] = {
#define SIZED(mnemonic, function, flow) #mnemonic,
#define PLAIN(mnemonic, function, flow) #mnemonic,
#define FORM(name, function, flow) #name,
#include "core/isa/isa.def"
#undef SIZED
#undef PLAIN
#undef FORM
  };
  for (const std::string& row : rows)
    EXPECT_TRUE(covered.contains(row) || tested_elsewhere(row)) << row << " has no case";
}

// A CPU without LZCNT takes F3 0F BD for BSR (SDM vol. 2, LZCNT), whatever the host makes of it.
TEST(Models, BitScanWithAPrefixThatMeansNothing) {
  const cpu::CpuModel model = cpu::make_cpu_model("x86-64-v2").take();
  const std::vector<u8> rep_bsr = {0xf3, 0x0f, 0xbd, 0xc1}, rep_bsf = {0xf3, 0x0f, 0xbc, 0xd1};
  for (const EngineRow& row : engine_rows()) {
    SCOPED_TRACE(row.name);
    const auto engine = row.make();
    const auto executor = EngineExecutor::create(*engine, model).take();
    RunState state = default_state();
    state.gpr[cpu::kRcx] = 0x30;
    for (const auto& code : {rep_bsr, rep_bsf}) {
      state.rip = kCodeAddress;
      ASSERT_TRUE(executor->run(code, state));
    }
    EXPECT_EQ(state.gpr[cpu::kRax], 5u);
    EXPECT_EQ(state.gpr[cpu::kRdx], 4u);
  }
}

// The translator's budget is in R15 of the host, which an operand may need for the guest's.
TEST(Counts, OperandsOfR15) {
  const std::vector<u8> code = {0x49, 0x8b, 0x08,                     // MOV RCX, [R8]
                                0x4a, 0x8b, 0x54, 0xfa, 0xf8, 0x90};  // MOV RDX, [RDX+8*R15-8]; NOP
  std::optional<u64> retired;
  for (const EngineRow& row : engine_rows()) {
    SCOPED_TRACE(row.name);
    const auto engine = row.make();
    const auto executor = EngineExecutor::create(*engine, cpu::make_cpu_model("max").take()).take();
    for (int run = 0; run < 12; ++run) {  // translated, and with what was learned of its operands
      RunState state = default_state();
      state.gpr[8] = state.gpr[cpu::kRdx] = kWindowAddress;
      state.gpr[15] = 2;
      ASSERT_TRUE(executor->run(code, state));
      if (!retired) retired = executor->retired();
      EXPECT_EQ(executor->retired(), *retired);
    }
  }
}

}  // namespace
}  // namespace tandem::tests
