// An instruction's shape: its bytes without displacement and immediate. All that Zydis says of an instruction
// but those two numbers depends on it alone, so that it need be asked but once for each.
#pragma once

#include <Zydis/Zydis.h>

#include <optional>
#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::isa {

inline constexpr unsigned kMaxLength = 15;  // bytes of an instruction

struct Shape {
  u64 key = 0;   // the bytes and the code size; never 0
  u8 bytes = 0;  // of it: where the displacement begins
  u8 disp = 0;   // bytes of the displacement
};

// The shape of the instruction that begins at bytes. There is none in 16-bit code, with another address size
// than that of the code, and of more than 7 bytes. Bytes that are no instruction may have one, and so may
// those whose displacement or immediate is elsewhere (see fits()).
std::optional<Shape> shape_of(std::span<const u8> bytes, u8 code_size);

// Is all that Zydis found at these bytes where the shape has it?
bool fits(const Shape& shape, const ZydisDecodedInstruction& insn);

// What is known of shapes: the last one of each hash.
template <class T>
class ShapeCache {
 public:
  const T* find(const Shape& shape) const {
    const Row& row = rows_[index(shape)];
    return row.key == shape.key ? &row.value : nullptr;
  }
  // It will be looked for soon.
  void prefetch(const Shape& shape) const { __builtin_prefetch(&rows_[index(shape)]); }
  void keep(const Shape& shape, const T& value) { rows_[index(shape)] = {shape.key, value}; }
  void clear() { rows_.assign(kRows, {}); }

 private:
  static constexpr std::size_t kRows = 4096;
  static std::size_t index(const Shape& shape) { return shape.key * 0x9e3779b97f4a7c15 >> 52; }

  // In one line of the host's caches, where that is enough.
  struct alignas(sizeof(T) <= 56 ? 64 : 8) Row {
    u64 key = 0;
    T value;
  };
  std::vector<Row> rows_ = std::vector<Row>(kRows);
};

}  // namespace tandem::isa
