// libFuzzer: any bytes from a debugger. The stub answers with whole packets, and the machine can be let go.
#include "core/base/assert.h"
#include "core/cpu/cpuid_models.h"
#include "core/debug/stub.h"
#include "core/interp/interp_engine.h"

namespace tandem::tests {
namespace {

constexpr u64 kRam = 2 * MiB;

// A machine that stands still, with paging on so that addresses are looked up.
class Debuggee {
 public:
  Debuggee() {
    cpu::CpuState s = cpu::reset_state(true, 0);
    s.cr0 |= cpu::kCr0Pe | cpu::kCr0Pg;
    s.cr4 |= cpu::kCr4Pae;
    s.efer |= cpu::kEferLme | cpu::kEferLma;
    s.cr3 = 0x1000;
    s.segments[cpu::kCs].l = true;
    machine_->memory().write_value<u64>(Gpa{0x1000}, 0x2003);
    machine_->memory().write_value<u64>(Gpa{0x2000}, 0x3003);
    machine_->memory().write_value<u64>(Gpa{0x3000}, 0x83);
    ensure(machine_->import_cpu(0, s).ok(), "a state is taken over");
  }

  // The first byte says how the rest comes: as it is, or as packets whose frames are right.
  void talk(std::string_view bytes) {
    stub_.connect();
    const bool framed = !bytes.empty() && (bytes[0] & 1);
    bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 1));
    if (!framed) check(stub_.receive(bytes));
    while (framed && !bytes.empty()) {
      const std::string_view line = bytes.substr(0, bytes.find('\n'));
      bytes.remove_prefix(std::min(line.size() + 1, bytes.size()));
      check(stub_.receive(debug::frame(line)));
      check(stub_.receive("\x03"));
    }
    stub_.disconnect();
  }

 private:
  static void check(std::string_view answer) {
    debug::PacketReader reader;
    for (const char c : answer)
      if (const auto in = reader.feed(static_cast<u8>(c)))
        ensure(in->kind != debug::Incoming::Kind::Bad, "an answer is a packet");
  }

  cpu::CpuModel model_ = cpu::default_cpu_model();
  std::unique_ptr<cpu::Engine> engine_ = interp::make_interp_engine();
  std::unique_ptr<machine::Machine> machine_ = machine::Machine::create({kRam, 2, &model_}, *engine_).take();
  debug::Target target_{*machine_, [] {}};
  debug::Monitor monitor_{target_};
  debug::Stub stub_{target_, monitor_, {.arch = {}, .has_long_mode = true, .kill = [] {}}};
};

}  // namespace
}  // namespace tandem::tests

extern "C" int LLVMFuzzerTestOneInput(const tandem::u8* data, std::size_t size) {
  static tandem::tests::Debuggee debuggee;
  // SAFETY: bytes of the fuzzer as characters.
  debuggee.talk({reinterpret_cast<const char*>(data), size});
  return 0;
}
