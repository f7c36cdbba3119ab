// Multiboot Specification 0.6.96.
#include <fmt/format.h>

#include <algorithm>

#include "core/machine/boot/address_fields.h"
#include "core/machine/boot/entry_state.h"
#include "core/machine/boot/info_writer.h"

namespace tandem::machine {

namespace {

constexpr u32 kHeaderMagic = 0x1badb002, kBootMagic = 0x2badb002;
constexpr u64 kSearch = 8192, kHeaderSize = 12, kHeaderWithAddresses = 32;
constexpr u32 kFlagAddresses = 1u << 16;
constexpr u32 kKnownFlags = 7;  // page-aligned modules, memory information, video mode
constexpr u32 kHasMemory = 1, kHasCmdline = 4, kHasModules = 8, kHasMap = 64, kHasName = 512;
constexpr u64 kInfoSize = 116;

Result<u64> put_modules(const std::vector<PlacedModule>& modules, Layout& layout) {
  Blob list;
  for (const PlacedModule& m : modules) {
    list.u32_(m.start);
    list.u32_(m.start + m.size);
    list.u32_(m.text);
    list.u32_(0);
  }
  return put_info(layout, list.view());
}

Blob memory_map(const Layout& layout) {
  constexpr u32 kEntry = 20;  // without the size field itself
  Blob map;
  for (const MemoryRange& r : layout.map()) {
    map.u32_(kEntry);
    map.u64_(raw(r.start));
    map.u64_(r.length);
    map.u32_(static_cast<u32>(r.kind));
  }
  return map;
}

Result<cpu::CpuState> start(const Image& image, const Payload& payload, mem::GuestMemory& memory,
                            const BootInfo& boot_info) {
  Layout layout(memory, boot_info.memory_map);
  TANDEM_TRY(place(image, layout));
  TANDEM_TRY_ASSIGN(modules, place_modules(payload, image.end(), layout));
  TANDEM_TRY_ASSIGN(module_list, put_modules(modules, layout));
  const Blob map = memory_map(layout);
  TANDEM_TRY_ASSIGN(map_at, put_info(layout, map.view()));
  TANDEM_TRY_ASSIGN(cmdline, put_text(layout, named_cmdline(payload.kernel_name, payload.cmdline)));
  TANDEM_TRY_ASSIGN(name, put_text(layout, "Tandem"));
  std::vector<u8> info(kInfoSize);
  auto field = [&](u64 offset, u64 value) { store_le<u32>(&info[offset], static_cast<u32>(value)); };
  field(0, kHasMemory | kHasCmdline | (modules.empty() ? 0 : kHasModules) | kHasMap | kHasName);
  field(4, lower_kib());
  field(8, upper_kib(memory));
  field(16, cmdline);
  field(20, modules.size());
  field(24, module_list);
  field(44, map.size());
  field(48, map_at);
  field(64, name);
  TANDEM_TRY_ASSIGN(info_at, put_info(layout, info));
  cpu::CpuState state = protected_mode_state(image.entry);
  state.gpr[cpu::kRax] = kBootMagic;
  state.gpr[cpu::kRbx] = info_at;
  return state;
}

}  // namespace

std::optional<u64> find_multiboot1(std::span<const u8> bytes) {
  for (u64 at = 0; at + kHeaderSize <= std::min<u64>(bytes.size(), kSearch); at += 4) {
    const u8* h = bytes.data() + at;
    if (load_le<u32>(h) == kHeaderMagic && load_le<u32>(h) + load_le<u32>(h + 4) + load_le<u32>(h + 8) == 0)
      return at;
  }
  return std::nullopt;
}

Result<BootLoader> open_multiboot1(Bytes bytes, u64 header, Payload payload) {
  const u8* h = bytes->data() + header;
  const u32 flags = load_le<u32>(h + 4);
  if (const u32 unknown = flags & 0xffff & ~kKnownFlags)
    return user_error(
        fmt::format("a multiboot kernel that requires features {:#x}, which are not known", unknown));
  Image image;
  if (flags & kFlagAddresses) {
    if (bytes->size() - header < kHeaderWithAddresses) return user_error("truncated multiboot header");
    const AddressFields fields{load_le<u32>(h + 12), load_le<u32>(h + 16), load_le<u32>(h + 20),
                               load_le<u32>(h + 24)};
    const u32 entry = load_le<u32>(h + 28);
    TANDEM_TRY_ASSIGN(flat, image_by_addresses(std::move(bytes), header, fields));
    image = std::move(flat);
    image.entry = entry;
  } else {
    if (!is_elf(*bytes)) return user_error("a multiboot kernel that is no ELF file and has no addresses");
    TANDEM_TRY_ASSIGN(elf, parse_elf(std::move(bytes)));
    image = std::move(elf.image);
  }
  return BootLoader([image = std::move(image), payload = std::move(payload)](
                        mem::GuestMemory& memory, const BootInfo& info) -> Result<cpu::CpuState> {
    return start(image, payload, memory, info);
  });
}

}  // namespace tandem::machine
