// Gathers rows that have changed, from the top, into runs.
#pragma once

#include <vector>

#include "devices/display/picture.h"

namespace tandem::devices {

inline void add_row(std::vector<Rows>& rows, u32 y) {
  if (!rows.empty() && rows.back().first + rows.back().count == y) ++rows.back().count;
  else rows.push_back({y, 1});
}

}  // namespace tandem::devices
