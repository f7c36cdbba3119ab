// Puts what a multiboot or PVH kernel is handed into guest memory: modules, texts, structures.
#pragma once

#include "core/base/bits.h"
#include "core/machine/boot/protocols.h"

namespace tandem::machine {

inline constexpr u64 kModulesEnd = 0xc0000000;  // 32-bit kernels reach everything below

struct PlacedModule {
  u64 start, size;
  u64 text;  // address of its command line
  std::string cmdline;
};

// "NAME arguments", as GRUB hands it over.
inline std::string named_cmdline(const std::string& name, const std::string& arguments) {
  return arguments.empty() ? name : name + " " + arguments;
}

// Below 640 KiB where there is room: kernels that map little of memory at first look at it there.
inline Result<u64> put_info(Layout& layout, std::span<const u8> bytes) {
  constexpr u64 kLowEnd = 0x9f000, kAlign = 8;
  if (auto low = layout.put(bytes, kAlign, kLowEnd)) return low;
  return layout.put(bytes, kAlign, kModulesEnd);
}

inline Result<u64> put_text(Layout& layout, const std::string& text) {
  // SAFETY: text as bytes, with its terminating zero.
  return put_info(layout, {reinterpret_cast<const u8*>(text.c_str()), text.size() + 1});
}

// Modules go above the kernel, page by page; the kernel may expect nothing of them below its end.
inline Result<std::vector<PlacedModule>> place_modules(const Payload& payload, u64 kernel_end,
                                                       Layout& layout) {
  std::vector<PlacedModule> placed;
  for (const Payload::Module& m : payload.modules) {
    auto at = layout.allocate_above(kernel_end, m.bytes->size(), kPageSize, kModulesEnd);
    if (!at) return std::move(at.error()).in("module " + m.name);
    layout.memory().write(Gpa{at.value()}, *m.bytes);
    const std::string text = named_cmdline(m.name, m.cmdline);
    TANDEM_TRY_ASSIGN(text_at, put_text(layout, text));
    placed.push_back({at.value(), m.bytes->size(), text_at, text});
  }
  return placed;
}

// A structure that is built field by field.
class Blob {
 public:
  void u8_(u8 v) { bytes_.push_back(v); }
  void u32_(u64 v) { append<u32>(static_cast<u32>(v)); }
  void u64_(u64 v) { append<u64>(v); }
  void text(const std::string& s) {
    bytes_.insert(bytes_.end(), s.begin(), s.end());
    u8_(0);
  }
  void bytes(std::span<const u8> b) { bytes_.insert(bytes_.end(), b.begin(), b.end()); }
  void align(std::size_t to) { bytes_.resize((bytes_.size() + to - 1) & ~(to - 1)); }
  std::size_t size() const { return bytes_.size(); }
  void patch32(std::size_t at, u64 v) { store_le<u32>(&bytes_[at], static_cast<u32>(v)); }
  std::span<const u8> view() const { return bytes_; }

 private:
  template <class T>
  void append(T v) {
    bytes_.resize(bytes_.size() + sizeof v);
    store_le<T>(&bytes_[bytes_.size() - sizeof v], v);
  }
  std::vector<u8> bytes_;
};

// KiB of RAM below 640 KiB and above 1 MiB, as multiboot counts them.
inline u64 lower_kib() { return 639; }
inline u64 upper_kib(const mem::GuestMemory& memory) {
  return memory.low_size() > MiB ? (memory.low_size() - MiB) / KiB : 0;
}

}  // namespace tandem::machine
