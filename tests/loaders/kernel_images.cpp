#include "tests/loaders/kernel_images.h"

#include <elf.h>

namespace tandem::tests {

namespace {

template <class Header, class Program>
std::vector<u8> build(const ElfSpec& spec, u8 elf_class, u16 machine) {
  ByteImage out;
  Header header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = elf_class;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = machine;
  header.e_version = EV_CURRENT;
  header.e_entry = static_cast<decltype(header.e_entry)>(spec.entry);
  header.e_phoff = sizeof(Header);
  header.e_ehsize = sizeof(Header);
  header.e_phentsize = sizeof(Program);
  header.e_phnum = static_cast<u16>(spec.segments.size() + !spec.notes.empty());
  out.put(0, header);
  u64 program_at = sizeof(Header), content_at = kElfContent;
  auto add = [&](Program p, std::span<const u8> content) {
    p.p_offset = static_cast<decltype(p.p_offset)>(content_at);
    p.p_filesz = static_cast<decltype(p.p_filesz)>(content.size());
    out.put(program_at, p);
    out.put_bytes(content_at, content);
    program_at += sizeof p;
    content_at += content.size();
  };
  for (const ElfSegmentSpec& s : spec.segments) {
    Program p{};
    p.p_type = PT_LOAD;
    p.p_paddr = static_cast<decltype(p.p_paddr)>(s.address);
    p.p_vaddr = static_cast<decltype(p.p_vaddr)>(s.linked_address);
    p.p_memsz = static_cast<decltype(p.p_memsz)>(std::max<u64>(s.memory_size, s.content.size()));
    add(p, s.content);
  }
  if (!spec.notes.empty()) {
    Program p{};
    p.p_type = PT_NOTE;
    add(p, spec.notes);
  }
  return out.bytes();
}

}  // namespace

std::vector<u8> pattern(std::size_t size, u8 seed) {
  std::vector<u8> out(size);
  u32 x = seed * 2654435761u;
  for (u8& b : out) {
    x = x * 1664525 + 1013904223;
    b = static_cast<u8>(x >> 24);
  }
  return out;
}

std::vector<u8> make_elf(const ElfSpec& spec) {
  return spec.is64 ? build<Elf64_Ehdr, Elf64_Phdr>(spec, ELFCLASS64, EM_X86_64)
                   : build<Elf32_Ehdr, Elf32_Phdr>(spec, ELFCLASS32, EM_386);
}

std::vector<u8> elf_note(std::string_view name, u32 type, std::span<const u8> description) {
  ByteImage out;
  out.append32({static_cast<u32>(name.size() + 1), static_cast<u32>(description.size()), type});
  for (const char c : name) out.put<char>(out.size(), c);
  out.put<u8>(out.size(), 0);
  while (out.size() % 4) out.put<u8>(out.size(), 0);
  out.put_bytes(out.size(), description);
  while (out.size() % 4) out.put<u8>(out.size(), 0);
  return out.bytes();
}

std::vector<u8> pvh_note(u32 entry) {
  ByteImage description;
  description.append32({entry});
  return elf_note("Xen", 18, description.bytes());
}

ElfSpec vmlinux_spec() {
  ElfSpec spec;
  spec.entry = kVmlinuxAddress;
  spec.segments = {
      {kVmlinuxAddress, 0xffffffff81000000, pattern(kVmlinuxSize), kVmlinuxMemory},
  };
  return spec;
}

// Offsets: Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
std::vector<u8> make_bzimage(const BzImageSpec& spec) {
  const u64 protected_at = (u64{spec.setup_sectors} + 1) * 512;
  ByteImage out;
  out.put<u8>(0x1f1, spec.setup_sectors);
  out.put<u16>(0x1fe, 0xaa55);
  out.put<u8>(0x200, 0xeb);
  out.put<u8>(0x201, spec.header_jump);
  out.put<u32>(0x202, 0x53726448);
  out.put<u16>(0x206, spec.version);
  out.put<u8>(0x211, spec.loadflags);
  out.put<u32>(0x214, 0x100000);
  out.put<u32>(0x22c, spec.initrd_max);
  out.put<u8>(0x234, spec.relocatable);
  out.put<u16>(0x236, spec.xloadflags);
  out.put<u32>(0x238, spec.cmdline_size);
  out.put<u32>(0x248, kBzPayloadOffset);
  out.put<u32>(0x24c, static_cast<u32>(spec.payload.size()));
  out.put<u64>(0x258, spec.preferred_address);
  out.put<u32>(0x260, spec.init_size);
  out.put_bytes(protected_at, pattern(kBzPayloadOffset, 7));
  out.put_bytes(protected_at + kBzPayloadOffset, spec.payload);
  return out.bytes();
}

std::vector<u8> multiboot1_header(u32 flags, std::span<const u32> addresses) {
  constexpr u32 kMagic = 0x1badb002;
  ByteImage out;
  out.append32({kMagic, flags, 0u - kMagic - flags});
  for (const u32 a : addresses) out.append32({a});
  return out.bytes();
}

std::vector<u8> multiboot2_header(std::span<const std::vector<u8>> tags) {
  constexpr u32 kMagic = 0xe85250d6;
  ByteImage out;
  out.append32({kMagic, 0, 0, 0});
  for (const std::vector<u8>& tag : tags) {
    out.put_bytes(out.size(), tag);
    while (out.size() % 8) out.put<u8>(out.size(), 0);
  }
  out.append32({0, 8});
  const u32 length = static_cast<u32>(out.size());
  out.put<u32>(8, length);
  out.put<u32>(12, 0u - kMagic - length);
  return out.bytes();
}

std::vector<u8> multiboot2_tag(u16 type, u16 flags, std::initializer_list<u32> words) {
  ByteImage out;
  out.put<u16>(0, type);
  out.put<u16>(2, flags);
  out.put<u32>(4, static_cast<u32>(8 + 4 * words.size()));
  out.append32(words);
  return out.bytes();
}

}  // namespace tandem::tests
