// An instruction's shape: its bytes without displacement and immediate. All that Zydis says of an instruction
// but those two numbers depends on it alone, so that it need be asked but once for each.
#pragma once

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

// The shape of the instruction that begins at bytes, of which there must be kMaxLength. code_size: 4 or 8;
// there is none in 16-bit code, for other address sizes than that of the code, and for what is longer than 7
// bytes. Bytes that are no instruction may have one, and so may those whose displacement or immediate is
// elsewhere (see fits()).
std::optional<Shape> shape_of(const u8* bytes, u8 code_size);

// Where Zydis found displacement and immediate: whether the shape has told.
struct Layout {
  u8 length = 0;
  u8 disp_at = 0, disp = 0;  // bytes; disp 0: there is none
  u8 imm_at = 0, imm = 0;    // the same
};
constexpr bool fits(const Shape& shape, const Layout& l) {
  return l.disp == shape.disp && (l.disp == 0 || l.disp_at == shape.bytes) &&
         (l.imm == 0 || l.imm_at == shape.bytes + shape.disp) && l.length == shape.bytes + shape.disp + l.imm;
}

// What is known of shapes: the last one of each hash.
template <class T>
class ShapeCache {
 public:
  const T* find(const Shape& shape) const {
    const Row& row = rows_[index(shape)];
    return row.key == shape.key ? &row.value : nullptr;
  }
  void keep(const Shape& shape, const T& value) { rows_[index(shape)] = {shape.key, value}; }
  void clear() { rows_.assign(kRows, {}); }

 private:
  static constexpr std::size_t kRows = 4096;
  static std::size_t index(const Shape& shape) { return shape.key * 0x9e3779b97f4a7c15 >> 52; }

  struct Row {
    u64 key = 0;
    T value;
  };
  std::vector<Row> rows_ = std::vector<Row>(kRows);
};

}  // namespace tandem::isa
