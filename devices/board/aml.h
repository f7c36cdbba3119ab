// A small writer of ACPI machine language (ACPI specification 6.4, chapter 20). Terms are byte strings that
// nest.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices::aml {

using Term = std::string;  // encoded bytes

Term integer(u64 value);
Term text(std::string_view s);
Term eisa_id(std::string_view id);  // "PNP0A03"
// One segment, or several with dots; a leading backslash is the root.
Term path(std::string_view name);
Term concat(std::initializer_list<Term> terms);

Term name(std::string_view name, const Term& value);
Term scope(std::string_view name, const Term& body);
Term device(std::string_view name, const Term& body);
Term method(std::string_view name, unsigned arguments, const Term& body);
Term package(const std::vector<Term>& elements);
Term if_else(const Term& condition, const Term& then, const Term& otherwise);
Term give_back(const Term& value);
Term store(const Term& value, const Term& to);
Term argument(unsigned n);

// Resource descriptors (6.4); resources() makes the buffer for _CRS.
Term resources(std::initializer_list<Term> descriptors);
Term io_ports(u16 first, u8 count);
Term irq(unsigned n);
Term dma(unsigned channel);  // 8 bits, one at a time
Term bus_numbers(u16 first, u16 last);
Term io_window(u16 first, u16 last);
Term memory_window(u32 first, u32 last);
Term fixed_memory(u32 base, u32 length);
Term interrupt(u32 gsi);  // level, active high, shared

}  // namespace tandem::devices::aml
