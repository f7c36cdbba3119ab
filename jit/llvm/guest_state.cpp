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

constexpr unsigned kXmmBytes = 16;

bool uses(u32 mask, unsigned n) { return mask >> n & 1; }

// Of each register in the mask.
template <class F>
void for_each(u32 mask, F f) {
  for (unsigned n = 0; n < 32; ++n)
    if (uses(mask, n)) f(n);
}

}  // namespace

GuestState::GuestState(llvm::IRBuilder<>& builder, const Layout& layout, Value* context, const Usage& usage)
    : b_(builder), layout_(layout), context_(context), usage_(usage) {
  vector_type_ = llvm::FixedVectorType::get(b_.getDoubleTy(), usage.vector_bytes / 8);
  mask_type_ = llvm::FixedVectorType::get(b_.getInt1Ty(), 64);
  for (Value*& g : gprs_) g = b_.CreateAlloca(b_.getInt64Ty());
  for (Value*& f : flags_) f = b_.CreateAlloca(b_.getInt1Ty());
  for_each(usage.vectors, [&](unsigned n) { vectors_[n] = b_.CreateAlloca(vector_type_); });
  for_each(usage.masks, [&](unsigned n) { masks_[n] = b_.CreateAlloca(mask_type_); });
  remaining_ = b_.CreateAlloca(b_.getInt64Ty());
  upper_cleared_ = b_.CreateAlloca(b_.getInt32Ty());
}

void GuestState::load() {
  for (unsigned n = 0; n < gprs_.size(); ++n) set_gpr(n, load_field(b_.getInt64Ty(), layout_.gpr(n)));
  load_flags();
  load_vectors();
  for_each(usage_.masks, [&](unsigned n) { set_mask(n, load_field(mask_type_, layout_.mask(n))); });
  set_remaining(load_field(b_.getInt64Ty(), layout_.remaining));
  b_.CreateStore(b_.getInt32(0), upper_cleared_);
}

// Where upper parts are all zero, loads of XMM registers alone say so to the host: else each SSE instruction
// would wait for the register's last value, to keep its upper part.
void GuestState::load_vectors() {
  const u32 with_upper = usage_.vector_bytes > kXmmBytes ? usage_.vectors & kHaveUpper : 0;
  if (with_upper) {
    const auto new_block = [&](const char* name) {
      return llvm::BasicBlock::Create(b_.getContext(), name, b_.GetInsertBlock()->getParent());
    };
    llvm::BasicBlock *const narrow = new_block("narrow"), *const wide = new_block("wide"),
                            *const loaded = new_block("loaded");
    Value* const in_use = load_field(b_.getInt32Ty(), layout_.upper_in_use);
    b_.CreateCondBr(b_.CreateICmpEQ(in_use, b_.getInt32(0)), narrow, wide);
    b_.SetInsertPoint(narrow);
    auto* const xmm = llvm::FixedVectorType::get(b_.getDoubleTy(), kXmmBytes / sizeof(double));
    for_each(with_upper, [&](unsigned n) { set_vector(n, zero_extended(load_vector(n, xmm))); });
    b_.CreateBr(loaded);
    b_.SetInsertPoint(wide);
    for_each(with_upper, [&](unsigned n) { set_vector(n, load_vector(n, vector_type_)); });
    b_.CreateBr(loaded);
    b_.SetInsertPoint(loaded);
  }
  for_each(usage_.vectors & ~with_upper, [&](unsigned n) { set_vector(n, load_vector(n, vector_type_)); });
}

Value* GuestState::load_vector(unsigned n, llvm::Type* type) {
  return b_.CreateAlignedLoad(type, field(layout_.vector(n)), llvm::Align(kXmmBytes));
}

// The low two elements of a vector, or of an XMM register, and zeros.
Value* GuestState::zero_extended(Value* v) {
  const auto elements = static_cast<int>(llvm::cast<llvm::FixedVectorType>(v->getType())->getNumElements());
  std::vector<int> shuffle(usage_.vector_bytes / sizeof(double), elements);
  shuffle[0] = 0;
  shuffle[1] = 1;
  return b_.CreateShuffleVector(v, llvm::Constant::getNullValue(v->getType()), shuffle);
}

void GuestState::store(u32 flags) {
  for (unsigned n = 0; n < gprs_.size(); ++n)
    if (uses(usage_.written, n)) store_field(gpr(n), layout_.gpr(n));
  if (flags && usage_.flags_written) store_flags(flags);
  for (unsigned n = 0; n < vectors_.size(); ++n)
    if (uses(usage_.vectors_written, n))
      b_.CreateAlignedStore(vector(n), field(layout_.vector(n)), llvm::Align(16));
  for_each(usage_.masks_written, [&](unsigned n) { store_field(mask(n), layout_.mask(n)); });
  store_field(remaining(), layout_.remaining);
  if (usage_.clears_upper) store_field(b_.CreateLoad(b_.getInt32Ty(), upper_cleared_), layout_.upper_cleared);
}

void GuestState::clear_upper_vectors() {
  b_.CreateStore(b_.getInt32(1), upper_cleared_);
  if (usage_.vector_bytes == kXmmBytes) return;
  for_each(usage_.vectors & kHaveUpper, [&](unsigned n) { set_vector(n, zero_extended(vector(n))); });
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
