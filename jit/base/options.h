// What --jit can switch.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/types.h"
#include "jit/hosted/spaces.h"

namespace tandem::jit {

struct JitOptions {
  u32 threshold = 8;           // runs in the interpreter before a block is translated
  u64 cache_bytes = 64 * MiB;  // of translated code
  // Flags are right wherever an instruction may fault, and undefined ones are as in the interpreter.
  bool exact_flags = false;
  // Budgets end and events come at the very instruction at which they do in the interpreter. Otherwise a
  // block may look for them behind its first instructions, where flags need not be saved.
  bool exact_count = false;
  bool base = true;           // tier 1 at all
  bool llvm = false;          // tier 2, of hosted 64-bit code
  bool llvm_now = false;      // each block is compiled by it when it is first translated: for tests
  std::string store = {};     // directory of compiled regions; empty: none is kept
  bool links = true;          // jumps from block to block, not by the dispatcher
  bool across = true;         // and across pages
  bool memory = true;         // memory operands by an inline check, not by the interpreter
  bool merge = true;          // neighbouring accesses share a check
  bool vectors = true;        // SSE and AVX in place
  bool x87 = true;            // x87 and MMX in place
  HostedOptions hosted = {};  // accesses by the host's own mappings
};

// A comma list: "all" (as the empty one: both tiers, what is not off by default), a tier ("base", "llvm"),
// "+x" or "-x" with x a tier or a switch above, "threshold=N", "cache=N" (MiB, 1 to 1024), "store=DIRECTORY"
// of compiled regions, "llvm=now", "hosted=N" (instructions before an address space is) or "hosted=all" (each
// at once, the kernel's too). A tier alone means no tier above it. Errors name the item.
Result<JitOptions> parse_options(std::string_view list);

}  // namespace tandem::jit
