#include "jit/base/decoded.h"

namespace tandem::jit {

void decode(const ZydisDecoder& decoder, const isa::Insn& insn, std::span<const u8> bytes, Decoded& d) {
  d.memory = nullptr;
  d.bytes = bytes.subspan(insn.offset, insn.length);
  ZydisDecoderContext context;
  const auto decode_operands = [&] {
    return ZydisDecoderDecodeOperands(&decoder, &context, &d.insn, d.operands, d.insn.operand_count);
  };
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeInstruction(&decoder, &context, d.bytes.data(), d.bytes.size(), &d.insn)) ||
      !ZYAN_SUCCESS(decode_operands())) {
    d.insn = {};
    return;
  }
  for (unsigned n = 0; n < d.insn.operand_count_visible; ++n)
    if (d.operands[n].type == ZYDIS_OPERAND_TYPE_MEMORY) d.memory = &d.operands[n];
}

}  // namespace tandem::jit
