#include "tests/isa/elsewhere.h"

#include <algorithm>
#include <vector>

namespace tandem::tests {

namespace {

struct Place {
  std::string_view where;
  std::vector<std::string_view> rows;
};

const std::vector<Place>& places() {
  static const std::vector<Place> all = {
      {"guest legacy32",
       {"AAA",   "AAS",     "AAM",   "AAD",    "DAA",  "DAS",   "SALC",         "PUSHA",         "PUSHAD",
        "POPA",  "POPAD",   "PUSHFD", "POPF",  "POPFD", "ENTER", "LEAVE",        "BOUND",         "INT1",
        "INTO",  "JCXZ",    "LDS",   "LES",    "LFS",  "LGS",   "LSS",          "IN",            "OUT",
        "INSB",  "OUTSB",   "RET",   "INT3",   "INT",  "JMP_INDIRECT", "CALL_INDIRECT", "PUSH_SEGMENT",
        "POP_SEGMENT", "MOV_FROM_SEGMENT", "MOV_TO_SEGMENT"}},
      {"guest protect32",
       {"ARPL", "LAR", "LSL", "VERR", "VERW", "LGDT", "LIDT", "LTR", "HLT", "CLTS", "INVD", "RDMSR", "STR", "JMP_FAR",
        "CALL_FAR", "RET_FAR", "IRETD", "UNDEFINED", "TOO_LONG"}},
      {"guest paging32", {"INVLPG", "MOV_TO_CONTROL", "MOV_FROM_CONTROL"}},
      {"guest real16", {"IRET"}},
      {"guest debug32", {"MOV_TO_DEBUG", "MOV_FROM_DEBUG"}},
      {"guest smm", {"RSM"}},
      {"guest long64",
       {"IRETQ",    "SYSCALL",  "SYSRET",   "SWAPGS",   "WRMSR",     "RDTSC",    "RDTSCP",  "RDPMC",    "RDPID",
        "CPUID",    "RDFSBASE", "RDGSBASE", "WRFSBASE", "WRGSBASE",  "RDRAND",   "RDSEED",  "FNSTENV",  "FLDENV",
        "FNSAVE",   "FRSTOR",   "VLDMXCSR", "VSTMXCSR", "VZEROUPPER", "VZEROALL", "FXSAVE",  "FXSAVE64", "FXRSTOR",
        "FXRSTOR64", "XSAVE",   "XSAVEOPT", "XRSTOR",   "XGETBV",    "XSETBV",   "WBINVD",  "INVPCID",  "STAC",
        "CLAC",     "PREFETCHT0", "ENDBR64", "CMPXCHG16B"}},
      {"guest system32",
       {"SGDT", "SIDT", "LLDT", "SLDT", "SMSW", "LMSW", "SYSENTER", "SYSEXIT", "INSW", "INSD", "OUTSW", "OUTSD",
        "MONITOR", "MWAIT", "XSAVEC", "XSAVES", "XRSTORS", "ENDBR32"}},
      {"the form with 64-bit pointers; guest long64 has XSAVE and XRSTOR, which share all but eight bytes",
       {"XSAVE64", "XSAVEOPT64", "XSAVEC64", "XSAVES64", "XRSTOR64", "XRSTORS64"}},
      {"guest legacy32: POPFD; the same function", {"POPFQ"}},
      {"hints without an effect, as PREFETCHT0 in guest long64",
       {"PREFETCH", "PREFETCHW", "PREFETCHWT1", "PREFETCHNTA", "PREFETCHT1", "PREFETCHT2", "CLDEMOTE"}},
      {"not offered by default, and not by every host", {"CLZERO"}},
      {"form of IMUL, which has cases", {"IMUL_ONE"}},
      {"vector.case and x87.case as a whole", {"HOST"}},
  };
  return all;
}

}  // namespace

std::string_view elsewhere(std::string_view row) {
  for (const Place& place : places())
    if (std::find(place.rows.begin(), place.rows.end(), row) != place.rows.end()) return place.where;
  return {};
}

}  // namespace tandem::tests
