// libFuzzer: the input is a qcow2 file, which is opened for writing, read, written and checked.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "core/base/assert.h"
#include "devices/backend/block/image.h"
#include "devices/backend/block/qcow2_create.h"

namespace tandem::tests {
namespace {

using devices::buffer;
using devices::Image;

constexpr u64 kReach = 128 * KiB;

void use(Image& image) {
  std::vector<u8> bytes(std::min(image.size(), kReach));
  for (const u64 start : {u64{0}, (image.size() - bytes.size()) & ~u64{511}}) {
    std::ignore = image.read(start, {buffer(bytes)});
    std::ignore = image.next_data(start);
    const u64 part = bytes.size() / 3;
    std::ignore = image.write(start, {buffer(std::span(bytes).first(part))});
    std::ignore = image.write_zeroes(start + part, part);
    std::ignore = image.discard(start, part);
    if (image.flush()) {
      // What was taken is given back.
      std::vector<u8> again(part);
      if (image.write(start, {buffer(std::span(bytes).first(part))}) && image.read(start, {buffer(again)}))
        ensure(std::equal(again.begin(), again.end(), bytes.begin()), "an image gives back what was written");
    }
  }
}

void run(std::span<const u8> input) {
  const int fd = memfd_create("image", MFD_CLOEXEC);
  ensure(fd >= 0 && ::write(fd, input.data(), input.size()) == static_cast<ssize_t>(input.size()), "a file");
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  auto image = devices::open_image(path, {.format = devices::ImageFormat::Qcow2, .writable = true});
  if (image) use(*image.value());
  else ensure(image.error().message.find('\n') == std::string::npos, "an error has one line");
  if (image) image.take().reset();
  auto file = devices::ImageFile::open(path, false);
  ensure(file.ok(), "the file can be opened again");
  std::ignore = devices::check_qcow2(file.value());
  close(fd);
}

}  // namespace
}  // namespace tandem::tests

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  tandem::tests::run({data, size});
  return 0;
}
