// The DSDT of the PC board, as AML.
#pragma once

#include <string>

namespace tandem::devices {

struct AcpiConfig;
std::string build_dsdt_body(const AcpiConfig& config);

}  // namespace tandem::devices
