// The script by which firmware places the ACPI tables: commands of 128 bytes (QEMU's BIOS linker/loader).
#include <string_view>

#include "devices/board/acpi_tables.h"

namespace tandem::devices {

namespace {

constexpr size_t kCommandSize = 128, kNameSize = 56;
enum Command : u32 { kAllocate = 1, kAddPointer = 2, kAddChecksum = 3 };
enum Zone : u8 { kHigh = 1, kFSegment = 2 };
constexpr u32 kAlignment = 64;

class Script {
 public:
  Script& begin(Command command) {
    bytes_.resize((bytes_.size() + kCommandSize - 1) / kCommandSize * kCommandSize);
    return value(command, 4);
  }
  Script& value(u64 v, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes_.push_back(static_cast<u8>(v >> (8 * i)));
    return *this;
  }
  Script& file(std::string_view name) {
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.resize(bytes_.size() + kNameSize - name.size());
    return *this;
  }
  std::vector<u8> take() {
    bytes_.resize((bytes_.size() + kCommandSize - 1) / kCommandSize * kCommandSize);
    return std::move(bytes_);
  }

 private:
  std::vector<u8> bytes_;
};

std::string_view file_of(bool in_rsdp) { return in_rsdp ? kAcpiRsdpFile : kAcpiTablesFile; }

}  // namespace

std::vector<u8> acpi_loader_script(const AcpiTables& tables) {
  Script s;
  s.begin(kAllocate).file(kAcpiTablesFile).value(kAlignment, 4).value(kHigh, 1);
  s.begin(kAllocate).file(kAcpiRsdpFile).value(16, 4).value(kFSegment, 1);
  for (const auto& p : tables.pointers)
    s.begin(kAddPointer).file(file_of(p.in_rsdp)).file(kAcpiTablesFile).value(p.at, 4).value(p.size, 1);
  for (const auto& c : tables.checksums)
    s.begin(kAddChecksum).file(file_of(c.in_rsdp)).value(c.at, 4).value(c.start, 4).value(c.length, 4);
  return s.take();
}

}  // namespace tandem::devices
