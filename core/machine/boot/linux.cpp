// Linux: bzImage and vmlinux (Documentation/arch/x86/boot.rst and zero-page.rst).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/bits.h"
#include "core/machine/boot/decompress.h"
#include "core/machine/boot/entry_state.h"
#include "core/machine/boot/protocols.h"

namespace tandem::machine {

using cpu::CpuState;

namespace {

// Offsets in the file's first sector and in struct boot_params.
constexpr u64 kSetupSects = 0x1f1, kBootFlag = 0x1fe, kJump = 0x201, kMagic = 0x202, kVersion = 0x206,
              kTypeOfLoader = 0x210, kLoadFlags = 0x211, kRamdiskImage = 0x218, kRamdiskSize = 0x21c,
              kCmdLinePtr = 0x228, kInitrdAddrMax = 0x22c, kRelocatable = 0x234, kXloadFlags = 0x236,
              kCmdlineSize = 0x238, kPayloadOffset = 0x248, kPayloadLength = 0x24c, kPrefAddress = 0x258,
              kInitSize = 0x260, kHeaderEnd = 0x268;
constexpr u64 kExtMemK = 0x02, kAcpiRsdp = 0x70, kAltMemK = 0x1e0, kE820Entries = 0x1e8, kE820Table = 0x2d0;
constexpr u64 kE820Max = 128, kE820Entry = 20;
constexpr u8 kLoadedHigh = 1, kUnknownLoader = 0xff;
constexpr u16 kXlfKernel64 = 1;
constexpr u64 kLowEnd = 0x9f000, kDefaultInitrdMax = 0x37ffffff, kDefaultCmdline = 255,
              kProtectedStart = 0x100000;
constexpr u64 kEntry64 = 0x200;
constexpr u64 kMaxVmlinuxCmdline = 2047;

using BootParams = std::array<u8, kPageSize>;

// A kernel that is ready to be placed.
struct LinuxKernel {
  Image image;
  bool is64 = true;
  BootParams params{};  // with the file's setup header
  u64 cmdline_max = kMaxVmlinuxCmdline;
  u64 initrd_max = kDefaultInitrdMax;
};

// Identity mapping by 2 MiB pages, of the first 4 GiB and of the kernel if it lies higher.
Result<u64> put_page_tables(Layout& layout, u64 kernel_end) {
  constexpr u64 kPresentWritable = 3, kLarge = 0x80, kMaxGigabytes = 64;
  const u64 gigabytes = std::max<u64>(4, (kernel_end + GiB - 1) / GiB);
  if (gigabytes > kMaxGigabytes) return user_error("the kernel lies too high to be mapped");
  std::vector<u8> tables((2 + gigabytes) * kPageSize);
  TANDEM_TRY_ASSIGN(at, layout.allocate(tables.size(), kPageSize, kLowEnd));
  auto entry = [&](u64 table, u64 index, u64 value) {
    store_le<u64>(&tables[table * kPageSize + index * 8], value);
  };
  entry(0, 0, (at + kPageSize) | kPresentWritable);
  for (u64 g = 0; g < gigabytes; ++g) {
    entry(1, g, (at + (2 + g) * kPageSize) | kPresentWritable);
    for (u64 i = 0; i < 512; ++i) entry(2 + g, i, (g << 30 | i << 21) | kPresentWritable | kLarge);
  }
  layout.memory().write(Gpa{at}, tables);
  return at;
}

// Descriptors for __BOOT_CS and __BOOT_DS.
Result<u64> put_gdt(Layout& layout, bool is64) {
  const u64 code = is64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff, data = 0x00cf93000000ffff;
  std::array<u8, 32> gdt{};
  store_le<u64>(&gdt[kBootCs], code);
  store_le<u64>(&gdt[kBootDs], data);
  return layout.put(gdt, 8, kLowEnd);
}

void fill_memory_map(BootParams& params, const BootInfo& info, const mem::GuestMemory& memory) {
  const u64 count = std::min<u64>(info.memory_map.size(), kE820Max);
  params[kE820Entries] = static_cast<u8>(count);
  for (u64 i = 0; i < count; ++i) {
    u8* entry = &params[kE820Table + i * kE820Entry];
    const MemoryRange& r = info.memory_map[i];
    store_le<u64>(entry, raw(r.start));
    store_le<u64>(entry + 8, r.length);
    store_le<u32>(entry + 16, static_cast<u32>(r.kind));
  }
  const u64 above_1m = memory.low_size() > MiB ? (memory.low_size() - MiB) / KiB : 0;
  store_le<u16>(&params[kExtMemK], static_cast<u16>(std::min<u64>(above_1m, 0xffff)));
  store_le<u32>(&params[kAltMemK], static_cast<u32>(above_1m));
  store_le<u64>(&params[kAcpiRsdp], raw(info.rsdp));
}

Result<void> put_ramdisk(BootParams& params, const LinuxKernel& kernel, const Payload& payload,
                         Layout& layout) {
  if (payload.modules.empty()) return {};
  const std::span<const u8> bytes = *payload.modules[0].bytes;
  auto at = layout.put(bytes, kPageSize, kernel.initrd_max + 1);
  if (!at) return std::move(at.error()).in("the ramdisk");
  store_le<u32>(&params[kRamdiskImage], static_cast<u32>(at.value()));
  store_le<u32>(&params[kRamdiskSize], static_cast<u32>(bytes.size()));
  return {};
}

Result<CpuState> start_linux(const LinuxKernel& kernel, const Payload& payload, mem::GuestMemory& memory,
                             const BootInfo& info) {
  Layout layout(memory, info.memory_map);
  TANDEM_TRY(place(kernel.image, layout));
  BootParams params = kernel.params;
  fill_memory_map(params, info, memory);
  TANDEM_TRY(put_ramdisk(params, kernel, payload, layout));
  // SAFETY: text as bytes, with its terminating zero.
  const auto* text = reinterpret_cast<const u8*>(payload.cmdline.c_str());
  TANDEM_TRY_ASSIGN(cmdline, layout.put({text, payload.cmdline.size() + 1}, 16, kLowEnd));
  store_le<u32>(&params[kCmdLinePtr], static_cast<u32>(cmdline));
  params[kTypeOfLoader] = kUnknownLoader;
  TANDEM_TRY_ASSIGN(params_at, layout.put(params, kPageSize, kLowEnd));
  TANDEM_TRY_ASSIGN(gdt, put_gdt(layout, kernel.is64));
  CpuState state = protected_mode_state(kernel.image.entry);
  if (kernel.is64) {
    TANDEM_TRY_ASSIGN(cr3, put_page_tables(layout, kernel.image.end()));
    state = long_mode_state(kernel.image.entry, cr3);
  }
  state.gdtr = {gdt, 31};
  state.gpr[cpu::kRsi] = params_at;
  return state;
}

Result<BootLoader> loader_of(LinuxKernel kernel, Payload payload) {
  if (payload.modules.size() > 1)
    return user_error("a Linux kernel takes one ramdisk and no further modules");
  if (payload.cmdline.size() > kernel.cmdline_max)
    return user_error(fmt::format("the command line has {} characters, the kernel takes {}",
                                  payload.cmdline.size(), kernel.cmdline_max));
  return BootLoader([kernel = std::move(kernel), payload = std::move(payload)](
                        mem::GuestMemory& memory, const BootInfo& info) -> Result<CpuState> {
    return start_linux(kernel, payload, memory, info);
  });
}

struct SetupHeader {
  std::span<const u8> file;

  template <class T>
  T get(u64 offset, T missing = 0) const {
    return offset + sizeof(T) <= end() ? load_le<T>(file.data() + offset) : missing;
  }
  // Older headers are shorter.
  u64 end() const { return std::min<u64>(kMagic + file[kJump], kHeaderEnd); }
  u16 version() const { return load_le<u16>(file.data() + kVersion); }
  u64 protected_offset() const {
    const u64 sectors = file[kSetupSects] ? file[kSetupSects] : 4;
    return (sectors + 1) * 512;
  }
};

// The payload as vmlinux, where the host can decompress it.
Result<std::optional<Elf>> payload_elf(const SetupHeader& header) {
  const u64 offset = header.protected_offset() + header.get<u32>(kPayloadOffset);
  const u64 length = header.get<u32>(kPayloadLength);
  if (length == 0) return std::optional<Elf>();
  if (offset > header.file.size() || length > header.file.size() - offset)
    return user_error("truncated bzImage: the payload is not all there");
  TANDEM_TRY_ASSIGN(unpacked, decompress(header.file.subspan(offset, length)));
  if (!unpacked || !is_elf(*unpacked)) return std::optional<Elf>();
  TANDEM_TRY_ASSIGN(elf, parse_elf(std::make_shared<const std::vector<u8>>(std::move(*unpacked))));
  return std::optional<Elf>(std::move(elf));
}

// The protected-mode part as it is: the guest decompresses itself.
Result<void> use_compressed(LinuxKernel& kernel, const SetupHeader& header, Bytes bytes) {
  if (!(header.get<u8>(kLoadFlags) & kLoadedHigh))
    return user_error("a zImage; only bzImage kernels are booted");
  const u64 offset = header.protected_offset(), size = bytes->size() - offset;
  const bool movable = header.get<u8>(kRelocatable);
  const u64 address = movable ? header.get<u64>(kPrefAddress, kProtectedStart) : kProtectedStart;
  kernel.is64 = header.get<u16>(kXloadFlags) & kXlfKernel64;
  kernel.image.bytes = std::move(bytes);
  kernel.image.segments = {{address, 0, offset, size, std::max<u64>(size, header.get<u32>(kInitSize))}};
  kernel.image.entry = address + (kernel.is64 ? kEntry64 : 0);
  return {};
}

}  // namespace

bool is_bzimage(std::span<const u8> bytes) {
  return bytes.size() >= kVersion + 2 && load_le<u16>(bytes.data() + kBootFlag) == 0xaa55 &&
         std::memcmp(bytes.data() + kMagic, "HdrS", 4) == 0;
}

Result<BootLoader> open_bzimage(Bytes bytes, Payload payload) {
  constexpr u16 kOldest = 0x0202;
  const SetupHeader header{*bytes};
  if (bytes->size() < kHeaderEnd || bytes->size() <= header.protected_offset())
    return user_error("truncated bzImage: nothing behind its setup part");
  if (header.version() < kOldest)
    return user_error(fmt::format("boot protocol {}.{:02}, 2.02 is the oldest that is supported",
                                  header.version() >> 8, header.version() & 0xff));
  LinuxKernel kernel;
  std::copy_n(bytes->begin() + kSetupSects, header.end() - kSetupSects, kernel.params.begin() + kSetupSects);
  kernel.cmdline_max = header.get<u32>(kCmdlineSize, kDefaultCmdline);
  kernel.initrd_max = header.get<u32>(kInitrdAddrMax, kDefaultInitrdMax);
  TANDEM_TRY_ASSIGN(elf, payload_elf(header));
  if (elf) {
    kernel.is64 = elf->is64;
    kernel.image = std::move(elf->image);
  } else {
    TANDEM_TRY(use_compressed(kernel, header, std::move(bytes)));
  }
  return loader_of(std::move(kernel), std::move(payload));
}

bool is_vmlinux(const Elf& elf) {
  const auto upper_half = [](const Segment& s) { return bit(s.linked_address, 63); };
  return elf.is64 && std::any_of(elf.image.segments.begin(), elf.image.segments.end(), upper_half);
}

Result<BootLoader> open_vmlinux(Elf elf, Payload payload) {
  constexpr u16 kProtocol = 0x020f;
  LinuxKernel kernel;
  kernel.image = std::move(elf.image);
  store_le<u16>(&kernel.params[kBootFlag], 0xaa55);
  std::memcpy(&kernel.params[kMagic], "HdrS", 4);
  store_le<u16>(&kernel.params[kVersion], kProtocol);
  kernel.params[kLoadFlags] = kLoadedHigh;
  kernel.initrd_max = 0x7fffffff;
  return loader_of(std::move(kernel), std::move(payload));
}

}  // namespace tandem::machine
