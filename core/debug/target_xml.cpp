// The target description: XML by the GDB manual, appendix G.
#include <fmt/format.h>

#include "core/debug/registers.h"

namespace tandem::debug {

namespace {

struct Bit {
  std::string_view name;
  unsigned first, last;
};

std::string flags_type(std::string_view id, unsigned bytes, std::initializer_list<Bit> all) {
  std::string out = fmt::format("<flags id=\"{}\" size=\"{}\">\n", id, bytes);
  for (const Bit& b : all)
    out += fmt::format("<field name=\"{}\" start=\"{}\" end=\"{}\"/>\n", b.name, b.first, b.last);
  return out + "</flags>\n";
}

std::string core_types() {
  return flags_type("i386_eflags", 4,
                    {{"CF", 0, 0},
                     {"", 1, 1},
                     {"PF", 2, 2},
                     {"AF", 4, 4},
                     {"ZF", 6, 6},
                     {"SF", 7, 7},
                     {"TF", 8, 8},
                     {"IF", 9, 9},
                     {"DF", 10, 10},
                     {"OF", 11, 11},
                     {"NT", 14, 14},
                     {"RF", 16, 16},
                     {"VM", 17, 17},
                     {"AC", 18, 18},
                     {"VIF", 19, 19},
                     {"VIP", 20, 20},
                     {"ID", 21, 21}});
}

std::string system_types(unsigned bytes) {
  return flags_type("i386_cr0", bytes,
                    {{"PE", 0, 0},
                     {"MP", 1, 1},
                     {"EM", 2, 2},
                     {"TS", 3, 3},
                     {"ET", 4, 4},
                     {"NE", 5, 5},
                     {"WP", 16, 16},
                     {"AM", 18, 18},
                     {"NW", 29, 29},
                     {"CD", 30, 30},
                     {"PG", 31, 31}}) +
         flags_type("i386_cr4", bytes,
                    {{"VME", 0, 0},
                     {"PVI", 1, 1},
                     {"TSD", 2, 2},
                     {"DE", 3, 3},
                     {"PSE", 4, 4},
                     {"PAE", 5, 5},
                     {"MCE", 6, 6},
                     {"PGE", 7, 7},
                     {"PCE", 8, 8},
                     {"OSFXSR", 9, 9},
                     {"OSXMMEXCPT", 10, 10},
                     {"UMIP", 11, 11},
                     {"LA57", 12, 12},
                     {"FSGSBASE", 16, 16},
                     {"PCIDE", 17, 17},
                     {"OSXSAVE", 18, 18},
                     {"SMEP", 20, 20},
                     {"SMAP", 21, 21}}) +
         flags_type("i386_efer", bytes, {{"SCE", 0, 0}, {"LME", 8, 8}, {"LMA", 10, 10}, {"NXE", 11, 11}});
}

std::string vector_types() {
  std::string out;
  std::string members;
  for (const auto& [id, type, count] : {std::tuple{"v4f", "ieee_single", 4},
                                        {"v2d", "ieee_double", 2},
                                        {"v16i8", "int8", 16},
                                        {"v8i16", "int16", 8},
                                        {"v4i32", "int32", 4},
                                        {"v2i64", "int64", 2}}) {
    out += fmt::format("<vector id=\"{}\" type=\"{}\" count=\"{}\"/>\n", id, type, count);
  }
  for (const auto& [name, type] : {std::pair{"v4_float", "v4f"},
                                   {"v2_double", "v2d"},
                                   {"v16_int8", "v16i8"},
                                   {"v8_int16", "v8i16"},
                                   {"v4_int32", "v4i32"},
                                   {"v2_int64", "v2i64"},
                                   {"uint128", "uint128"}})
    members += fmt::format("<field name=\"{}\" type=\"{}\"/>\n", name, type);
  return out + "<union id=\"vec128\">\n" + members + "</union>\n";
}

std::string types_of(std::string_view feature, unsigned bytes) {
  if (feature.ends_with(".core")) return core_types();
  if (feature.ends_with(".sse")) return vector_types();
  if (feature.ends_with(".system")) return system_types(bytes);
  return {};
}

}  // namespace

std::string describe_target(Arch arch) {
  std::string out = fmt::format(
      "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
      "<architecture>{}</architecture>\n",
      name_of(arch));
  std::string_view feature;
  for (const Register& r : registers(arch)) {
    if (r.feature != feature) {
      if (!feature.empty()) out += "</feature>\n";
      feature = r.feature;
      out +=
          fmt::format("<feature name=\"{}\">\n{}", feature, types_of(feature, arch == Arch::X86_64 ? 8 : 4));
    }
    out += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"/>\n", r.name, r.bits, r.type);
  }
  return out + "</feature>\n</target>\n";
}

}  // namespace tandem::debug
