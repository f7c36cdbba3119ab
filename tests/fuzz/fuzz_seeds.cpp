// Writes the inputs that fuzzing starts from: a kernel of each kind, some instructions of each mode.
//   fuzz_seeds FOLDER
#include <filesystem>
#include <fstream>

#include "devices/backend/block/qcow2_format.h"
#include "tests/loaders/compress.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::vector<u8>& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  // SAFETY: bytes as chars.
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

ElfSpec small_kernel(bool is64) {
  ElfSpec spec = vmlinux_spec();
  spec.is64 = is64;
  spec.segments[0].content.resize(64);
  return spec;
}

std::vector<u8> elf_around(std::vector<u8> header) {
  ElfSpec spec = small_kernel(false);
  spec.segments[0].content = std::move(header);
  return make_elf(spec);
}

void write_kernels(const fs::path& folder) {
  for (const bool is64 : {false, true}) {
    ElfSpec spec = small_kernel(is64);
    write(folder / (is64 ? "vmlinux64" : "vmlinux32"), make_elf(spec));
    spec.notes = pvh_note(0x1000000);
    write(folder / (is64 ? "pvh64" : "pvh32"), make_elf(spec));
  }
  BzImageSpec spec;
  for (const Compressor& c : compressors()) {
    spec.payload = pack_payload(c, make_elf(small_kernel(true)));
    write(folder / ("bzimage_" + c.name), make_bzimage(spec));
  }
  spec.payload = {0x89, 'L', 'Z', 'O'};
  write(folder / "bzimage_lzo", make_bzimage(spec));
  const std::vector<u32> addresses = {0x300000, 0x300000, 0, 0x301000, 0x300004};
  write(folder / "multiboot1", elf_around(multiboot1_header(3)));
  write(folder / "multiboot1_flat", multiboot1_header(1u << 16, addresses));
  const std::vector<std::vector<u8>> tags = {multiboot2_tag(1, 0, {1, 6}),
                                             multiboot2_tag(2, 0, {0x300000, 0x300000, 0, 0x301000}),
                                             multiboot2_tag(3, 0, {0x300004}), multiboot2_tag(6, 1, {})};
  write(folder / "multiboot2", elf_around(multiboot2_header()));
  write(folder / "multiboot2_flat", multiboot2_header(tags));
}

void write_instructions(const fs::path& folder) {
  const std::vector<std::vector<u8>> runs = {
      {0x01, 0xd8, 0x66, 0x0f, 0xc8, 0xf0, 0x0f, 0xb1, 0x0b, 0xe8, 1, 2, 3, 4, 0x9a, 1, 2, 3, 4, 5, 6},
      {0x48, 0x8b, 0x84, 0xcb, 1,    2,    3, 4,    0xf3, 0xa5,
       0x0f, 0x05, 0x67, 0x89, 0x44, 0x24, 8, 0x0f, 0x22, 0xd8},
      {0xd9, 0x5d, 8, 0x66, 0x0f, 0x38, 0x00, 0xc1, 0xc5, 0xf5, 0x58, 0x00, 0xc4, 0xe2, 0x71, 0x90, 0x04,
       0x10},
      {0x62, 0xf1, 0x7c, 0x48, 0x58, 0x40, 1,    0xf3, 0x41, 0x90,
       0x0f, 0xc7, 0x0f, 0x0f, 0xae, 0x20, 0xc8, 8,    0,    1},
  };
  for (std::size_t i = 0; i < runs.size(); ++i)
    for (u8 mode = 0; mode < 3; ++mode) {
      std::vector<u8> input = {mode};
      input.insert(input.end(), runs[i].begin(), runs[i].end());
      write(folder / (std::to_string(i) + "_" + std::to_string(mode)), input);
    }
}

// Clusters of 512 bytes: header, refcount table, refcount block, L1, L2, data.
void write_images(const fs::path& folder) {
  using namespace devices::qcow2;
  Header header;
  header.cluster_bits = 9;
  header.l1_entries = 8;
  header.size = header.l1_entries * header.table_reach();
  header.refcount_table_offset = 0x200;
  header.refcount_table_clusters = 1;
  header.l1_offset = 0x600;
  std::vector<u8> image(0xc00);
  const auto put = [&](u64 at, const std::vector<u8>& bytes) {
    std::ranges::copy(bytes, image.begin() + static_cast<i64>(at));
  };
  put(0, encode_header(header));
  put(0x200, encode_table(std::vector<u64>{0x400}));
  for (u64 i = 0; i < 6; ++i) image[0x400 + 2 * i + 1] = 1;
  put(0x600, encode_table(std::vector<u64>{0x800 | kCopied}));
  put(0x800, encode_table(std::vector<u64>{0xa00 | kCopied, kReadsZero, kCompressed | 0xa00}));
  write(folder / "plain", image);
  image[7] = 2;  // the version
  write(folder / "version2", image);
}

// For each virtio device and both kinds of rings: a chain of two descriptors in each queue, saved and loaded.
void write_virtio(const fs::path& folder) {
  for (u8 kind = 0; kind < 10; ++kind)
    for (u8 packed = 0; packed < 2; ++packed) {
      std::vector<u8> input = {kind, packed, 0x2e, 0x80, 0x02, 0x30};
      for (u8 queue = 0; queue < 4; ++queue) {
        const u8 available = packed ? 0x80 : 0;  // in the flags' low byte
        const u8 first_flags = static_cast<u8>(1 | available), last_flags = static_cast<u8>(2 | available);
        for (const u8 slot : {u8{0}, u8{1}}) {
          const u8 flags = slot ? last_flags : first_flags;
          input.insert(input.end(), {10, queue, slot, slot, 0x40, 64, 0});
          if (packed) input.insert(input.end(), {0, 0, flags, 0});
          else input.insert(input.end(), {flags, 0, 1, 0});
        }
        input.insert(input.end(), {11, queue, 0, 1, queue});
      }
      input.insert(input.end(), {7, 8});
      write(folder / (std::to_string(kind) + (packed ? "_packed" : "_split")), input);
    }
}

// Commands of a graphics driver: a picture of 16 x 16 pixels, its memory, what is shown, a transfer, a flush,
// a cursor.
void write_gpu(const fs::path& folder) {
  constexpr u8 kGpu = 5;
  const std::vector<std::vector<u32>> commands = {
      {0x101, 0, 0, 0, 0, 0, 1, 1, 16, 16},
      {0x106, 0, 0, 0, 0, 0, 1, 1, 0x40000, 0, 1024, 0},
      {0x103, 1, 9, 0, 0, 0, 0, 0, 16, 16, 0, 1},
      {0x105, 0, 0, 0, 0, 0, 0, 0, 16, 16, 0, 0, 1, 0},
      {0x104, 0, 0, 0, 0, 0, 0, 0, 16, 16, 1, 0},
      {0x300, 0, 0, 0, 0, 0, 0, 3, 4, 0, 1, 1, 1, 0},
      {0x10a, 0, 0, 0, 0, 0, 0, 0},
      {0x102, 0, 0, 0, 0, 0, 1, 0},
  };
  std::vector<u8> input = {kGpu, 0, 0x02, 0x00, 0x00, 0x00};
  for (const std::vector<u32>& command : commands) {
    const u8 queue = command[0] >= 0x300, bytes = static_cast<u8>(4 * command.size());
    input.insert(input.end(), {0, 0x00, 0xf0, bytes});  // to 1F000h
    for (const u32 word : command)
      for (unsigned i = 0; i < 4; ++i) input.push_back(static_cast<u8>(word >> 8 * i));
    input.insert(input.end(), {10, queue, 0, 0x00, 0x1f, bytes, 0, 1, 0, 1, 0});
    input.insert(input.end(), {10, queue, 1, 0x00, 0x40, 64, 0, 2, 0, 0, 0});
    input.insert(input.end(), {11, queue, 0, 7});
  }
  input.push_back(8);
  write(folder / "gpu_commands", input);
}

// What a debugger says, a packet a line; the first byte of a file: see fuzz_gdbstub.cpp.
void write_packets(const fs::path& folder) {
  const std::string_view sessions[] = {
      "1\n?\ng\np10\nP0=0102030405060708\nm10,20\nM10,2:0102\nX10,2:ab\nqemu.PhyMemMode\nD",
      "1qSupported:swbreak+\nqXfer:features:read:target.xml:0,fff\nqXfer:threads:read::0,fff\nHg1\nHc-"
      "1\nT2\nqC",
      "1Z0,10,1\nZ1,20,1\nZ2,30,4\nZ4,ffffffffffffffff,1\nvCont;c\nvCont;s:1;c\nvCont;r10,20:1\nz0,10,"
      "1\ns\nc10",
      "1qRcmd,696e666f2072656769737465727\nqRcmd,696e666f206d656d\nqRcmd,782f387862203078313030",
      "0+$?#3f\x03$g#67-$OK#00",
  };
  unsigned n = 0;
  for (const std::string_view session : sessions)
    write(folder / ("session" + std::to_string(n++)), {session.begin(), session.end()});
}

}  // namespace
}  // namespace tandem::tests

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  tandem::tests::write_kernels(std::filesystem::path(argv[1]) / "fuzz_boot");
  tandem::tests::write_instructions(std::filesystem::path(argv[1]) / "fuzz_decode");
  tandem::tests::write_images(std::filesystem::path(argv[1]) / "fuzz_qcow2");
  tandem::tests::write_packets(std::filesystem::path(argv[1]) / "fuzz_gdbstub");
  tandem::tests::write_virtio(std::filesystem::path(argv[1]) / "fuzz_virtio");
  tandem::tests::write_gpu(std::filesystem::path(argv[1]) / "fuzz_virtio");
  return 0;
}
