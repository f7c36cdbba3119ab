// Flat kernels whose multiboot header says where they go ("a.out kludge").
#pragma once

#include "core/machine/boot/image.h"

namespace tandem::machine {

struct AddressFields {
  u32 header;    // where the header itself goes
  u32 load;      // first byte of the text; all ones: the file is loaded from its beginning
  u32 load_end;  // end of the data; 0: all of the file
  u32 bss_end;   // 0: no bss
};

// header_offset: of the header in the file. Error: the fields contradict the file.
Result<Image> image_by_addresses(Bytes bytes, u64 header_offset, const AddressFields& fields);

}  // namespace tandem::machine
