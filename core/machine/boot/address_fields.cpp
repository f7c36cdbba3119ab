#include "core/machine/boot/address_fields.h"

#include <algorithm>

namespace tandem::machine {

Result<Image> image_by_addresses(Bytes bytes, u64 header_offset, const AddressFields& f) {
  const u64 load = f.load == ~0u ? f.header - std::min<u64>(header_offset, f.header) : f.load;
  const Error contradiction = user_error("the addresses of the multiboot header contradict the file");
  if (load > f.header || f.header - load > header_offset) return contradiction;
  const u64 start = header_offset - (f.header - load);
  const u64 available = bytes->size() - start;
  const u64 size = f.load_end ? u64{f.load_end} - load : available;
  if ((f.load_end && f.load_end < load) || size > available) return contradiction;
  if (f.bss_end && f.bss_end < load + size) return contradiction;
  Image image;
  image.bytes = std::move(bytes);
  image.segments = {{load, load, start, size, f.bss_end ? f.bss_end - load : size}};
  return image;
}

}  // namespace tandem::machine
