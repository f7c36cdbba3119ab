// libFuzzer: the first byte chooses the mode, the others are decoded as a run of instructions.
#include <algorithm>

#include "core/base/assert.h"
#include "core/cpu/cpuid_models.h"
#include "core/isa/decode.h"
#include "core/isa/op.h"
#include "core/semantics/host/host.h"

namespace tandem::tests {
namespace {

constexpr std::size_t kMaxLength = 15;

bool names_register(u8 offset) {
  return offset <= isa::gpr_offset(15) + 1 || offset == isa::kRipOffset || offset == isa::kZeroOffset;
}

void check(const isa::Insn& insn, std::size_t available, u16 offset) {
  ensure(insn.length >= 1 && insn.length <= kMaxLength, "an instruction has 1 to 15 bytes");
  ensure(insn.length <= available, "an instruction ends where its bytes end");
  ensure(insn.offset == offset, "an instruction keeps its offset");
  ensure(insn.op < isa::Op::kCount, "an instruction has a row in isa.def");
  ensure(names_register(insn.base) && names_register(insn.index), "an address is made of registers");
  ensure(insn.scale_log2 <= 3 && insn.segment < cpu::kSegmentCount, "an address has a scale and a segment");
  for (std::size_t n = 0; n < insn.kind.size(); ++n) {
    if (insn.kind[n] == isa::OperandKind::Gpr)
      ensure(names_register(insn.reg[n]), "an operand is a register");
    if (insn.kind[n] == isa::OperandKind::Segment)
      ensure(insn.reg[n] < cpu::kSegmentCount, "an operand is a segment register");
    if (insn.kind[n] == isa::OperandKind::Control || insn.kind[n] == isa::OperandKind::Debug)
      ensure(insn.reg[n] < 16, "an operand is a control or debug register");
  }
}

class Decoder {
 public:
  explicit Decoder(const cpu::CpuModel& model) : decoder_(model) {
    cpu_.model = &model;
    cpu_.host_code = host_code_.get();
  }

  void decode_all(u8 mode, std::span<const u8> bytes) {
    constexpr u8 kCodeSizes[] = {2, 4, 8};
    const u8 code_size = kCodeSizes[mode % 3];
    cpu_.mode.protected_mode = code_size != 2 || mode & 0x80;
    u16 offset = 0;
    while (!bytes.empty()) {
      isa::Insn insn;
      if (decoder_.decode(cpu_, bytes, code_size, offset, insn) == isa::DecodeStatus::Truncated) {
        ensure(bytes.size() < kMaxLength, "15 bytes are enough");
        return;
      }
      check(insn, bytes.size(), offset);
      check_alone(bytes, insn, code_size);
      bytes = bytes.subspan(insn.length);
      offset = static_cast<u16>(offset + insn.length);
    }
  }

 private:
  // What follows an instruction does not change it.
  void check_alone(std::span<const u8> bytes, const isa::Insn& insn, u8 code_size) {
    if (insn.op == isa::Op::UNDEFINED || insn.op == isa::Op::TOO_LONG) return;
    isa::Insn alone;
    const auto status = decoder_.decode(cpu_, bytes.first(insn.length), code_size, insn.offset, alone);
    ensure(status == isa::DecodeStatus::Ok, "its own bytes are enough for an instruction");
    ensure(alone == insn, "an instruction depends on its own bytes only");
  }

  std::unique_ptr<semantics::HostCode> host_code_ = semantics::HostCode::create().take();
  cpu::Cpu cpu_;
  isa::Decoder decoder_;
};

}  // namespace
}  // namespace tandem::tests

extern "C" int LLVMFuzzerTestOneInput(const tandem::u8* data, std::size_t size) {
  using namespace tandem;
  static const cpu::CpuModel model = cpu::default_cpu_model();
  // Thunks are kept for ever: a new arena from time to time.
  static std::unique_ptr<tests::Decoder> decoder;
  static unsigned inputs = 0;
  if (inputs++ % 1024 == 0) decoder = std::make_unique<tests::Decoder>(model);
  if (size > 1) decoder->decode_all(data[0], {data + 1, std::min<std::size_t>(size - 1, 4096)});
  return 0;
}
