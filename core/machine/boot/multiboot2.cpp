// Multiboot2 Specification 2.0.
#include <fmt/format.h>

#include <algorithm>

#include "core/machine/boot/address_fields.h"
#include "core/machine/boot/entry_state.h"
#include "core/machine/boot/info_writer.h"

namespace tandem::machine {

namespace {

constexpr u32 kHeaderMagic = 0xe85250d6, kBootMagic = 0x36d76289;
constexpr u64 kSearch = 32768, kHeaderSize = 16, kTagHeader = 8;

enum HeaderTag : u16 {
  kEnd = 0,
  kInformationRequest = 1,
  kAddress = 2,
  kEntryAddress = 3,
  kConsoleFlags = 4,
  kFramebuffer = 5,
  kModuleAlignment = 6,
  kEfiBootServices = 7,
  kEfiEntry32 = 8,
  kEfiEntry64 = 9,
  kRelocatable = 10,
};
enum InfoTag : u32 {
  kCmdline = 1,
  kLoaderName = 2,
  kModule = 3,
  kBasicMemory = 4,
  kMemoryMap = 6,
  kAcpiOld = 14,
  kAcpiNew = 15,
  kLastInfoTag = 21,  // of the specification: what is not available may be left out
};

struct Header {
  std::optional<AddressFields> addresses;
  std::optional<u32> entry;
};

Result<void> read_tag(u16 type, bool optional, std::span<const u8> content, Header& out) {
  auto field = [&](u64 i) { return load_le<u32>(content.data() + 4 * i); };
  switch (type) {
    case kInformationRequest:
      for (u64 i = 0; i < content.size() / 4; ++i)
        if (!optional && field(i) > kLastInfoTag)
          return user_error(
              fmt::format("a multiboot2 kernel that requires information {}, which is not known", field(i)));
      return {};
    case kAddress:
      if (content.size() < 16) return user_error("truncated multiboot2 address tag");
      out.addresses = AddressFields{field(0), field(1), field(2), field(3)};
      return {};
    case kEntryAddress:
      if (content.size() < 4) return user_error("truncated multiboot2 entry tag");
      out.entry = field(0);
      return {};
    case kConsoleFlags:
    case kModuleAlignment:  // modules always begin on a page
    case kEfiBootServices:
    case kEfiEntry32:
    case kEfiEntry64:
    case kRelocatable: return {};
    default:
      if (optional) return {};
      return user_error(
          fmt::format("a multiboot2 kernel that requires header tag {}, which is not known", type));
  }
}

Result<Header> read_header(std::span<const u8> bytes, u64 at) {
  Header out;
  const u64 length = load_le<u32>(bytes.data() + at + 8);
  if (length < kHeaderSize || length > bytes.size() - at) return user_error("truncated multiboot2 header");
  const u64 end = at + length;
  for (u64 tag = at + kHeaderSize; tag + kTagHeader <= end;) {
    const u16 type = load_le<u16>(bytes.data() + tag), flags = load_le<u16>(bytes.data() + tag + 2);
    const u64 size = load_le<u32>(bytes.data() + tag + 4);
    if (type == kEnd) return out;
    if (size < kTagHeader || size > end - tag) return user_error("truncated multiboot2 tag");
    TANDEM_TRY(read_tag(type, flags & 1, bytes.subspan(tag + kTagHeader, size - kTagHeader), out));
    tag += (size + 7) & ~u64{7};
  }
  return out;
}

// Tags are type and size, then contents, at multiples of 8.
class InfoBuilder {
 public:
  InfoBuilder() {
    blob_.u32_(0);  // total size
    blob_.u32_(0);
  }
  template <class F>
  void tag(u32 type, F contents) {
    blob_.align(8);
    const std::size_t at = blob_.size();
    blob_.u32_(type);
    blob_.u32_(0);
    contents(blob_);
    blob_.patch32(at + 4, blob_.size() - at);
  }
  std::span<const u8> finish() {
    tag(kEnd, [](Blob&) {});
    blob_.patch32(0, blob_.size());
    return blob_.view();
  }

 private:
  Blob blob_;
};

// A copy of the RSDP: of its ACPI 1.0 part, and of all of it.
void add_rsdp(InfoBuilder& info, mem::GuestMemory& memory, Gpa rsdp) {
  constexpr std::size_t kOldSize = 20, kNewSize = 36;
  u8 copy[kNewSize] = {};
  if (!memory.read(rsdp, copy)) return;
  info.tag(kAcpiOld, [&](Blob& b) { b.bytes(std::span(copy).first(kOldSize)); });
  const bool revision2 = copy[15] >= 2;
  if (revision2) info.tag(kAcpiNew, [&](Blob& b) { b.bytes(copy); });
}

void add_memory(InfoBuilder& info, const Layout& layout, const mem::GuestMemory& memory) {
  constexpr u32 kEntrySize = 24;
  info.tag(kBasicMemory, [&](Blob& b) {
    b.u32_(lower_kib());
    b.u32_(upper_kib(memory));
  });
  info.tag(kMemoryMap, [&](Blob& b) {
    b.u32_(kEntrySize);
    b.u32_(0);
    for (const MemoryRange& r : layout.map()) {
      b.u64_(raw(r.start));
      b.u64_(r.length);
      b.u32_(static_cast<u32>(r.kind));
      b.u32_(0);
    }
  });
}

Result<cpu::CpuState> start(const Image& image, const Payload& payload, mem::GuestMemory& memory,
                            const BootInfo& boot_info) {
  Layout layout(memory, boot_info.memory_map);
  TANDEM_TRY(place(image, layout));
  TANDEM_TRY_ASSIGN(modules, place_modules(payload, image.end(), layout));
  InfoBuilder info;
  info.tag(kCmdline, [&](Blob& b) { b.text(named_cmdline(payload.kernel_name, payload.cmdline)); });
  info.tag(kLoaderName, [&](Blob& b) { b.text("Tandem"); });
  for (const PlacedModule& m : modules)
    info.tag(kModule, [&](Blob& b) {
      b.u32_(m.start);
      b.u32_(m.start + m.size);
      b.text(m.cmdline);
    });
  add_memory(info, layout, memory);
  add_rsdp(info, memory, boot_info.rsdp);
  TANDEM_TRY_ASSIGN(info_at, put_info(layout, info.finish()));
  cpu::CpuState state = protected_mode_state(image.entry);
  state.gpr[cpu::kRax] = kBootMagic;
  state.gpr[cpu::kRbx] = info_at;
  return state;
}

}  // namespace

std::optional<u64> find_multiboot2(std::span<const u8> bytes) {
  for (u64 at = 0; at + kHeaderSize <= std::min<u64>(bytes.size(), kSearch); at += 8) {
    const u8* h = bytes.data() + at;
    if (load_le<u32>(h) != kHeaderMagic || load_le<u32>(h + 4) != 0) continue;
    if (load_le<u32>(h) + load_le<u32>(h + 4) + load_le<u32>(h + 8) + load_le<u32>(h + 12) == 0) return at;
  }
  return std::nullopt;
}

Result<BootLoader> open_multiboot2(Bytes bytes, u64 header_at, Payload payload) {
  TANDEM_TRY_ASSIGN(header, read_header(*bytes, header_at));
  Image image;
  if (header.addresses) {
    if (!header.entry) return user_error("a multiboot2 kernel with addresses, but without an entry");
    TANDEM_TRY_ASSIGN(flat, image_by_addresses(std::move(bytes), header_at, *header.addresses));
    image = std::move(flat);
  } else {
    if (!is_elf(*bytes)) return user_error("a multiboot2 kernel that is no ELF file and has no addresses");
    TANDEM_TRY_ASSIGN(elf, parse_elf(std::move(bytes)));
    image = std::move(elf.image);
  }
  if (header.entry) image.entry = *header.entry;
  return BootLoader([image = std::move(image), payload = std::move(payload)](
                        mem::GuestMemory& memory, const BootInfo& info) -> Result<cpu::CpuState> {
    return start(image, payload, memory, info);
  });
}

}  // namespace tandem::machine
