// What a debugger of Tandem itself is told of a region: gdb's interface for code that is made at run time
// (gdb manual, "JIT Compilation Interface").
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/types.h"

namespace tandem::jit {

// Addresses of an object's sections.
using SectionPlaces = std::map<std::string, u64>;

// While it lives, gdb has the object's symbols and frames. Of any thread.
class GdbEntry {
 public:
  // object: ELF, relocatable, whose sections were put to these places.
  GdbEntry(std::vector<u8> object, const SectionPlaces& places);
  ~GdbEntry();
  GdbEntry(const GdbEntry&) = delete;
  GdbEntry& operator=(const GdbEntry&) = delete;

  // As gdb reads it (jit_code_entry).
  struct Link {
    Link *next = nullptr, *previous = nullptr;
    const u8* object = nullptr;
    u64 size = 0;
  };

 private:
  std::vector<u8> object_;
  Link link_;
};

}  // namespace tandem::jit
