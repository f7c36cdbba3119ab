#include "core/machine/boot/elf.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "core/base/bits.h"

namespace tandem::machine {

namespace {

constexpr u32 kXenPhys32Entry = 18;  // xen/include/public/elfnote.h

template <class T>
std::optional<T> read(std::span<const u8> bytes, u64 offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// Notes are name size, description size, type, then both padded to 4 bytes.
std::optional<u64> find_pvh_entry(std::span<const u8> notes) {
  u64 at = 0;
  while (const auto header = read<Elf32_Nhdr>(notes, at)) {
    const u64 name = at + sizeof *header;
    const u64 description = name + ((u64{header->n_namesz} + 3) & ~u64{3});
    const u64 end = description + ((u64{header->n_descsz} + 3) & ~u64{3});
    if (end > notes.size()) return std::nullopt;
    const bool xen = header->n_namesz == 4 && std::memcmp(notes.data() + name, "Xen", 4) == 0;
    if (xen && header->n_type == kXenPhys32Entry) {
      if (header->n_descsz == 4) return load_le<u32>(notes.data() + description);
      if (header->n_descsz == 8) return load_le<u64>(notes.data() + description);
    }
    at = end;
  }
  return std::nullopt;
}

// The entry is a virtual address where it lies in a segment's.
u64 physical_entry(const Image& image) {
  for (const Segment& s : image.segments)
    if (image.entry - s.linked_address < s.memory_size) return image.entry - s.linked_address + s.address;
  return image.entry;
}

template <class Header, class Program>
Result<Elf> parse(Bytes bytes) {
  const std::span<const u8> all = *bytes;
  const auto header = read<Header>(all, 0);
  if (!header) return user_error("truncated ELF header");
  if (header->e_machine != EM_386 && header->e_machine != EM_X86_64)
    return user_error("an ELF file, but not for x86");
  if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
    return user_error("an ELF file, but no executable");
  if (header->e_phentsize != sizeof(Program))
    return user_error("an ELF file with program headers of another size");
  Elf elf;
  elf.is64 = header->e_machine == EM_X86_64;
  elf.image.entry = header->e_entry;
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto p = read<Program>(all, header->e_phoff + u64{i} * sizeof(Program));
    if (!p) return user_error("truncated ELF program headers");
    if (p->p_type != PT_LOAD && p->p_type != PT_NOTE) continue;
    if (p->p_offset > all.size() || all.size() - p->p_offset < p->p_filesz)
      return user_error("truncated ELF segment");
    if (p->p_type == PT_NOTE) {
      if (!elf.pvh_entry) elf.pvh_entry = find_pvh_entry(all.subspan(p->p_offset, p->p_filesz));
    } else if (p->p_memsz) {
      if (p->p_memsz < p->p_filesz) return user_error("ELF segment smaller in memory than in the file");
      elf.image.segments.push_back({p->p_paddr, p->p_vaddr, p->p_offset, p->p_filesz, p->p_memsz});
    }
  }
  if (elf.image.segments.empty()) return user_error("an ELF file with nothing to load");
  elf.image.entry = physical_entry(elf.image);
  elf.image.bytes = std::move(bytes);
  return elf;
}

}  // namespace

bool is_elf(std::span<const u8> bytes) {
  return bytes.size() >= SELFMAG && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

Result<Elf> parse_elf(Bytes bytes) {
  if (bytes->size() <= EI_CLASS) return user_error("truncated ELF header");
  if ((*bytes)[EI_CLASS] == ELFCLASS64) return parse<Elf64_Ehdr, Elf64_Phdr>(std::move(bytes));
  return parse<Elf32_Ehdr, Elf32_Phdr>(std::move(bytes));
}

}  // namespace tandem::machine
