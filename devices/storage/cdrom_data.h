// What a CD-ROM drive says about itself and its disc: replies of fixed form (MMC-3).
#pragma once

#include <optional>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices::ata {

std::vector<u8> inquiry_data();
// 6.25 READ TOC: one data track. None: a format that is not known.
std::optional<std::vector<u8>> toc_data(u8 format, bool msf, u8 start_track, u64 sectors);
// 6.6 GET CONFIGURATION: one feature where `type` is 2, else from `first` on.
std::vector<u8> configuration_data(u8 type, u16 first, bool has_medium);
// 6.17 MODE SENSE (10): none for pages that are not known.
std::optional<std::vector<u8>> mode_page_data(u8 page, bool has_medium, bool locked);
std::vector<u8> disc_information(bool empty);

}  // namespace tandem::devices::ata
