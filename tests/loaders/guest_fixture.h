// Guest memory with a PC's memory map, in which a kernel image can be started.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/machine/boot/protocols.h"
#include "devices/board/memory_map.h"

namespace tandem::tests {

inline constexpr u8 kDirt = 0xcc;  // what RAM holds before

class GuestRam {
 public:
  explicit GuestRam(u64 size) : memory_(mem::GuestMemory::create(size).take()) {
    info_.rsdp = Gpa{devices::kAcpiTables};
    info_.memory_map = devices::memory_map(*memory_);
    put_rsdp();
  }
  // So that what should have been cleared is seen.
  void make_dirty() {
    memory_->fill(Gpa{0}, kDirt, memory_->size());
    put_rsdp();
  }

  mem::GuestMemory& memory() { return *memory_; }
  const machine::BootInfo& info() const { return info_; }

  Result<cpu::CpuState> boot(machine::Bytes kernel, machine::Payload payload = {}) {
    TANDEM_TRY_ASSIGN(loader, machine::recognise(std::move(kernel), std::move(payload)));
    return loader(*memory_, info_);
  }

  std::vector<u8> bytes(u64 at, u64 size) const {
    std::vector<u8> out(size);
    EXPECT_TRUE(memory_->read(Gpa{at}, out)) << "no RAM at " << std::hex << at;
    return out;
  }
  u16 word(u64 at) const { return memory_->read_value<u16>(Gpa{at}); }
  u32 dword(u64 at) const { return memory_->read_value<u32>(Gpa{at}); }
  u64 qword(u64 at) const { return memory_->read_value<u64>(Gpa{at}); }
  std::string text(u64 at) const {
    std::string out;
    while (const u8 c = memory_->read_value<u8>(Gpa{at++})) {
      out.push_back(static_cast<char>(c));
      if (out.size() > 4096) return "(no end)";
    }
    return out;
  }

 private:
  void put_rsdp() {
    std::vector<u8> rsdp(36);
    const std::string_view signature = "RSD PTR ";
    std::copy(signature.begin(), signature.end(), rsdp.begin());
    rsdp[15] = 2;
    memory_->write(info_.rsdp, rsdp);
  }

  std::unique_ptr<mem::GuestMemory> memory_;
  machine::BootInfo info_;
};

struct Range {
  std::string what;
  u64 start, size;
};

// That no two of them share a byte, and each lies in RAM of the memory map.
inline void expect_apart(const std::vector<Range>& ranges, const machine::BootInfo& info) {
  for (const Range& r : ranges) {
    bool in_ram = false;
    for (const machine::MemoryRange& m : info.memory_map)
      in_ram |= m.kind == machine::MemoryKind::Ram && r.start >= raw(m.start) &&
                r.start + r.size <= raw(m.start) + m.length;
    EXPECT_TRUE(in_ram) << r.what << " at " << std::hex << r.start << " + " << r.size;
    for (const Range& other : ranges)
      if (&other < &r)
        EXPECT_TRUE(r.start + r.size <= other.start || other.start + other.size <= r.start)
            << r.what << " at " << std::hex << r.start << " + " << r.size << " overlaps " << other.what
            << " at " << other.start << " + " << other.size;
  }
}

template <class T>
void expect_user_error(const Result<T>& result, std::string_view part) {
  ASSERT_FALSE(result.ok()) << "no error, but one with: " << part;
  EXPECT_EQ(result.error().kind, ErrorKind::User) << result.error().message;
  EXPECT_NE(result.error().message.find(part), std::string::npos)
      << "error: " << result.error().message << "\nexpected in it: " << part;
  EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << result.error().message;
}

}  // namespace tandem::tests
