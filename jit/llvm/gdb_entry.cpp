#include "jit/llvm/gdb_entry.h"

#include <elf.h>

#include <cstring>
#include <mutex>
#include <span>

namespace tandem::jit {

namespace {

// jit_descriptor, and what its flag says.
enum class Action : u32 { None, Register, Unregister };
struct Descriptor {
  u32 version;
  Action action;
  GdbEntry::Link *relevant, *first;
};

}  // namespace

// The process has one list, LLVM's; gdb looks at it when it attaches, and has a breakpoint in the function.
extern "C" {
extern Descriptor list_for_gdb asm("__jit_debug_descriptor");
void tell_gdb() asm("__jit_debug_register_code");
}

namespace {

void tell(Action action, GdbEntry::Link& link) {
  list_for_gdb.action = action;
  list_for_gdb.relevant = &link;
  tell_gdb();
  list_for_gdb.action = Action::None;
  list_for_gdb.relevant = nullptr;
}

std::mutex& list_mutex() {
  static std::mutex mutex;
  return mutex;
}

template <class T>
T read(const std::vector<u8>& bytes, u64 at) {
  T v;
  std::memcpy(&v, bytes.data() + at, sizeof v);
  return v;
}

// Each section's address into its header.
void place_sections(std::vector<u8>& object, const SectionPlaces& places) {
  const auto header = read<Elf64_Ehdr>(object, 0);
  const auto at = [&](u64 n) { return header.e_shoff + n * header.e_shentsize; };
  const u64 names = read<Elf64_Shdr>(object, at(header.e_shstrndx)).sh_offset;
  for (u64 n = 0; n < header.e_shnum; ++n) {
    auto section = read<Elf64_Shdr>(object, at(n));
    const auto place = places.find(reinterpret_cast<const char*>(object.data()) + names + section.sh_name);
    if (place == places.end() || !(section.sh_flags & SHF_ALLOC)) continue;
    section.sh_addr = place->second;
    std::memcpy(object.data() + at(n), &section, sizeof section);
  }
}

}  // namespace

GdbEntry::GdbEntry(std::vector<u8> object, const SectionPlaces& places) : object_(std::move(object)) {
  place_sections(object_, places);
  link_.object = object_.data();
  link_.size = object_.size();
  const std::lock_guard lock(list_mutex());
  link_.next = list_for_gdb.first;
  if (link_.next) link_.next->previous = &link_;
  list_for_gdb.first = &link_;
  tell(Action::Register, link_);
}

GdbEntry::~GdbEntry() {
  const std::lock_guard lock(list_mutex());
  (link_.previous ? link_.previous->next : list_for_gdb.first) = link_.next;
  if (link_.next) link_.next->previous = link_.previous;
  tell(Action::Unregister, link_);
}

}  // namespace tandem::jit
