// The DSDT of the PC board, as AML.
#pragma once

#include <string>

namespace tandem::devices {

std::string build_dsdt_body();

}  // namespace tandem::devices
