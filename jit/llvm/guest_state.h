// The guest's registers as values of LLVM IR: one variable each, which LLVM's passes turn into values.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <array>

#include "core/base/types.h"
#include "jit/llvm/layout.h"
#include "jit/llvm/usage.h"

namespace tandem::jit {

enum class Flag : u8 { Cf, Pf, Af, Zf, Sf, Of };
inline constexpr unsigned kFlagCount = 6;

class GuestState {
 public:
  // context: of the code's Context, as an argument of its function.
  GuestState(llvm::IRBuilder<>& builder, const Layout& layout, llvm::Value* context, const Usage& usage);

  // At the region's entry, and before each exit. flags: those that matter.
  void load();
  void store(u32 flags);

  llvm::Value* gpr(unsigned n) { return b_.CreateLoad(b_.getInt64Ty(), gprs_[n]); }
  void set_gpr(unsigned n, llvm::Value* v) { b_.CreateStore(v, gprs_[n]); }
  // A register as isa::Insn names it, of 1, 2, 4 or 8 bytes.
  llvm::Value* read(u8 offset, unsigned size);
  void write(u8 offset, llvm::Value* v);

  llvm::Value* flag(Flag f) { return b_.CreateLoad(b_.getInt1Ty(), flags_[static_cast<unsigned>(f)]); }
  void set_flag(Flag f, llvm::Value* v) { b_.CreateStore(v, flags_[static_cast<unsigned>(f)]); }

  llvm::Value* vector(unsigned n) { return b_.CreateLoad(vector_type_, vectors_[n]); }
  void set_vector(unsigned n, llvm::Value* v) { b_.CreateStore(v, vectors_[n]); }

  llvm::Value* mask(unsigned n) { return b_.CreateLoad(mask_type_, masks_[n]); }
  void set_mask(unsigned n, llvm::Value* v) { b_.CreateStore(v, masks_[n]); }

  // VZEROUPPER (SDM vol. 2): registers that the code does not have are cleared when it is left.
  static constexpr u32 kHaveUpper = 0xffff;
  void clear_upper_vectors();

  llvm::Value* remaining() { return b_.CreateLoad(b_.getInt64Ty(), remaining_); }
  void set_remaining(llvm::Value* v) { b_.CreateStore(v, remaining_); }

  // A field of the Context.
  llvm::Value* load_field(llvm::Type* type, i64 offset) { return b_.CreateLoad(type, field(offset)); }
  void store_field(llvm::Value* v, i64 offset) { b_.CreateStore(v, field(offset)); }
  llvm::Value* field(i64 offset) { return b_.CreatePtrAdd(context_, b_.getInt64(static_cast<u64>(offset))); }

 private:
  void load_flags();
  void load_vectors();
  llvm::Value* load_vector(unsigned n, llvm::Type* type);
  llvm::Value* zero_extended(llvm::Value* v);
  void store_flags(u32 flags);

  llvm::IRBuilder<>& b_;
  const Layout& layout_;
  llvm::Value* context_;
  Usage usage_;
  llvm::Type *vector_type_, *mask_type_;
  std::array<llvm::Value*, 16> gprs_{};
  std::array<llvm::Value*, kFlagCount> flags_{};
  std::array<llvm::Value*, 32> vectors_{};
  std::array<llvm::Value*, 8> masks_{};
  llvm::Value* remaining_;
  llvm::Value* upper_cleared_;
};

}  // namespace tandem::jit
