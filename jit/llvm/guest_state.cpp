#include "jit/llvm/guest_state.h"

#include "core/cpu/cpu_state.h"

namespace tandem::jit {

using llvm::Value;

namespace {

// TierFrame::flags has AH as LAHF gives it, and OF in AL.
constexpr std::array<unsigned, kFlagCount> kSlotBit = {8, 10, 12, 14, 15, 0};
constexpr u64 kSlotFixed = 0x200;
constexpr std::array<u32, kFlagCount> kFlagBits = {cpu::kCf, cpu::kPf, cpu::kAf,
                                                   cpu::kZf, cpu::kSf, cpu::kOf};

bool uses(u32 mask, unsigned n) { return mask >> n & 1; }

}  // namespace

GuestState::GuestState(llvm::IRBuilder<>& builder, const Layout& layout, Value* context, const Usage& usage)
    : b_(builder), layout_(layout), context_(context), usage_(usage) {
  vector_type_ = llvm::FixedVectorType::get(b_.getDoubleTy(), usage.vector_bytes / 8);
  for (Value*& g : gprs_) g = b_.CreateAlloca(b_.getInt64Ty());
  for (Value*& f : flags_) f = b_.CreateAlloca(b_.getInt1Ty());
  for (unsigned n = 0; n < vectors_.size(); ++n)
    if (uses(usage.vectors, n)) vectors_[n] = b_.CreateAlloca(vector_type_);
  remaining_ = b_.CreateAlloca(b_.getInt64Ty());
  upper_cleared_ = b_.CreateAlloca(b_.getInt32Ty());
}

void GuestState::load() {
  for (unsigned n = 0; n < gprs_.size(); ++n) set_gpr(n, load_field(b_.getInt64Ty(), layout_.gpr(n)));
  load_flags();
  for (unsigned n = 0; n < vectors_.size(); ++n)
    if (uses(usage_.vectors, n))
      set_vector(n, b_.CreateAlignedLoad(vector_type_, field(layout_.vector(n)), llvm::Align(16)));
  set_remaining(load_field(b_.getInt64Ty(), layout_.remaining));
  b_.CreateStore(b_.getInt32(0), upper_cleared_);
}

void GuestState::store(u32 flags) {
  for (unsigned n = 0; n < gprs_.size(); ++n)
    if (uses(usage_.written, n)) store_field(gpr(n), layout_.gpr(n));
  if (flags && usage_.flags_written) store_flags(flags);
  for (unsigned n = 0; n < vectors_.size(); ++n)
    if (uses(usage_.vectors_written, n))
      b_.CreateAlignedStore(vector(n), field(layout_.vector(n)), llvm::Align(16));
  store_field(remaining(), layout_.remaining);
  if (usage_.clears_upper) store_field(b_.CreateLoad(b_.getInt32Ty(), upper_cleared_), layout_.upper_cleared);
}

void GuestState::clear_upper_vectors() {
  constexpr unsigned kXmmBytes = 16;
  b_.CreateStore(b_.getInt32(1), upper_cleared_);
  if (usage_.vector_bytes == kXmmBytes) return;
  // The low two of its elements, then those of a vector of zeros.
  const int count = static_cast<int>(usage_.vector_bytes / sizeof(double));
  std::vector<int> shuffle(static_cast<std::size_t>(count), count);
  shuffle[0] = 0;
  shuffle[1] = 1;
  for (unsigned n = 0; n < vectors_.size(); ++n)
    if (uses(usage_.vectors & kHaveUpper, n))
      set_vector(n, b_.CreateShuffleVector(vector(n), llvm::Constant::getNullValue(vector_type_), shuffle));
}

void GuestState::load_flags() {
  Value* const slot = load_field(b_.getInt64Ty(), layout_.flags);
  for (unsigned f = 0; f < kFlagCount; ++f)
    set_flag(static_cast<Flag>(f), b_.CreateTrunc(b_.CreateLShr(slot, kSlotBit[f]), b_.getInt1Ty()));
}

void GuestState::store_flags(u32 flags) {
  Value* slot = b_.getInt64(kSlotFixed);
  for (unsigned f = 0; f < kFlagCount; ++f)
    if (flags & kFlagBits[f])
      slot = b_.CreateOr(
          slot, b_.CreateShl(b_.CreateZExt(flag(static_cast<Flag>(f)), b_.getInt64Ty()), kSlotBit[f]));
  store_field(slot, layout_.flags);
}

Value* GuestState::read(u8 offset, unsigned size) {
  Value* whole = gpr(offset / 8);
  if (offset % 8) whole = b_.CreateLShr(whole, 8 * (offset % 8));
  return size == 8 ? whole : b_.CreateTrunc(whole, b_.getIntNTy(8 * size));
}

// A 32-bit result clears the upper half; smaller ones leave the rest as it was (SDM vol. 1, 3.4.1.1).
void GuestState::write(u8 offset, Value* v) {
  const unsigned bits = v->getType()->getIntegerBitWidth(), shift = 8 * (offset % 8);
  if (bits == 64) return set_gpr(offset / 8, v);
  Value* const wide = b_.CreateZExt(v, b_.getInt64Ty());
  if (bits == 32) return set_gpr(offset / 8, wide);
  const u64 mask = ((u64{1} << bits) - 1) << shift;
  Value* const kept = b_.CreateAnd(gpr(offset / 8), b_.getInt64(~mask));
  set_gpr(offset / 8, b_.CreateOr(kept, shift ? b_.CreateShl(wide, shift) : wide));
}

}  // namespace tandem::jit
