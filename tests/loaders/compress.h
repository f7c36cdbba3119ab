// Packs a kernel as the builds of Linux do, with each format's own library.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/types.h"

namespace tandem::tests {

struct Compressor {
  std::string name;
  std::vector<u8> (*pack)(std::span<const u8> plain);
};

// One row a format that is unpacked on the host.
std::vector<Compressor> compressors();

// A payload: packed, and where the format itself does not end by it, the plain size behind.
std::vector<u8> pack_payload(const Compressor& with, std::span<const u8> plain);

}  // namespace tandem::tests
