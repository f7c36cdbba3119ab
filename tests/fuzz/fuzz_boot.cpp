// libFuzzer: any bytes as a kernel file. It starts inside the guest's memory, or is an error of one line.
#include <cstddef>

#include "core/base/assert.h"
#include "core/base/bits.h"
#include "core/machine/boot/protocols.h"
#include "devices/board/memory_map.h"

namespace tandem::tests {
namespace {

constexpr u64 kRam = 32 * MiB, kHole = 0xa0000, kHoleEnd = 0x100000;

class Guest {
 public:
  Guest() { info_.memory_map = devices::memory_map(*memory_); }

  void boot(std::vector<u8> kernel) {
    machine::Payload payload{"kernel", "quiet", {{module_, "x", "module"}}};
    auto loader = machine::recognise(std::make_shared<const std::vector<u8>>(std::move(kernel)), payload);
    if (!loader) return check(loader.error());
    auto state = loader.value()(*memory_, info_);
    if (!state) return check(state.error());
    ensure(state.value().rflags == 2, "the kernel starts with interrupts off");
    std::vector<u8> hole(kHoleEnd - kHole);
    memory_->read(Gpa{kHole}, hole);
    for (const u8 b : hole) ensure(b == 0, "the loader keeps to the memory map");
  }

 private:
  static void check(const Error& error) {
    ensure(error.kind == ErrorKind::User, "a bad file is the user's error");
    ensure(!error.message.empty() && error.message.find('\n') == std::string::npos, "an error is one line");
  }

  std::unique_ptr<mem::GuestMemory> memory_ = mem::GuestMemory::create(kRam).take();
  machine::BootInfo info_{Gpa{devices::kAcpiTables}, {}};
  machine::Bytes module_ = std::make_shared<const std::vector<u8>>(5000, u8{1});
};

// Multiboot headers are found by their sums, which no mutation hits.
void mend_checksums(std::vector<u8>& file) {
  for (std::size_t at = 0; at + 16 <= file.size(); at += 4) {
    u8* h = &file[at];
    if (load_le<u32>(h) == 0x1badb002) store_le<u32>(h + 8, 0u - load_le<u32>(h) - load_le<u32>(h + 4));
    if (load_le<u32>(h) == 0xe85250d6)
      store_le<u32>(h + 12, 0u - load_le<u32>(h) - load_le<u32>(h + 4) - load_le<u32>(h + 8));
  }
}

}  // namespace
}  // namespace tandem::tests

extern "C" int LLVMFuzzerTestOneInput(const tandem::u8* data, std::size_t size) {
  static tandem::tests::Guest guest;
  std::vector<tandem::u8> kernel(data, data + size);
  tandem::tests::mend_checksums(kernel);
  guest.boot(std::move(kernel));
  return 0;
}
