// A folder for images, QEMU's tools as oracle, rows of qcow2 variants, and a disk in memory to compare with.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "devices/backend/block/image.h"

namespace tandem::tests {

using devices::BlockStatus;
using devices::Image;
using devices::ImageFormat;

inline std::vector<u8> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::filesystem::path& path, std::span<const u8> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  // SAFETY: bytes as a stream takes them.
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

class ImageBench {
 public:
  ImageBench() {
    std::string name = (std::filesystem::temp_directory_path() / "tandem-block-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ImageBench() { std::filesystem::remove_all(folder_); }
  ImageBench(const ImageBench&) = delete;
  ImageBench& operator=(const ImageBench&) = delete;

  std::filesystem::path at(std::string_view name) const { return folder_ / name; }
  // Runs a shell command in the folder; gives its status.
  int shell(const std::string& command) const {
    const std::string all = "cd '" + folder_.string() + "' && (" + command + ") >log 2>&1";
    const int status = std::system(all.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void must(const std::string& command) const { ASSERT_EQ(shell(command), 0) << command << "\n" << log(); }
  std::string log() const {
    const std::vector<u8> bytes = read_file(at("log"));
    return {bytes.begin(), bytes.end()};
  }
  // 0: clean, 3: clusters that nobody uses; anything else is damage.
  int qemu_check(std::string_view name) const { return shell("qemu-img check " + std::string(name)); }

  Result<std::unique_ptr<Image>> try_open(std::string_view name, bool writable,
                                          std::optional<ImageFormat> format = {}) const {
    return devices::open_image(at(name), {.format = format, .writable = writable});
  }
  std::unique_ptr<Image> open(std::string_view name, bool writable,
                              std::optional<ImageFormat> format = {}) const {
    auto image = try_open(name, writable, format);
    EXPECT_TRUE(image) << image.error().message;
    return image ? image.take() : nullptr;
  }
  // Random data in half of the disk's 64 KiB pieces.
  void make_raw(std::string_view name, u64 size, u32 seed) const {
    std::mt19937 random(seed);
    std::vector<u8> bytes(size);
    for (u64 at = 0; at < size; at += 64 * KiB)
      if (random() & 1)
        for (u64 i = at; i < std::min(size, at + 64 * KiB); ++i) bytes[i] = static_cast<u8>(random());
    write_file(folder_ / name, bytes);
  }

 private:
  std::filesystem::path folder_;
};

// A way to make disk.qcow2 of 8 MiB + 5 sectors; base.raw, of 5 MiB, is there.
struct Variant {
  const char* name;
  const char* command;
};
inline constexpr u64 kDiskSize = 8 * MiB + 5 * 512, kBaseSize = 5 * MiB;
inline constexpr Variant kVariants[] = {
    {"plain", "qemu-img create -f qcow2 disk.qcow2 8391168"},
    {"version2", "qemu-img create -f qcow2 -o compat=0.10 disk.qcow2 8391168"},
    {"small_clusters", "qemu-img create -f qcow2 -o cluster_size=512 disk.qcow2 8391168"},
    {"small_clusters_wide_counts",
     "qemu-img create -f qcow2 -o cluster_size=512,refcount_bits=64 disk.qcow2 8391168"},
    {"large_clusters", "qemu-img create -f qcow2 -o cluster_size=2M disk.qcow2 8391168"},
    {"one_bit_counts", "qemu-img create -f qcow2 -o refcount_bits=1 disk.qcow2 8391168"},
    {"raw_backing", "qemu-img create -f qcow2 -F raw -b base.raw disk.qcow2 8391168"},
    {"raw_backing_version2", "qemu-img create -f qcow2 -o compat=0.10 -F raw -b base.raw disk.qcow2 8391168"},
    {"chain",
     "qemu-img create -f qcow2 -F raw -b base.raw middle.qcow2 7M && qemu-io -c 'write -P 7 1M 300k' "
     "middle.qcow2 && "
     "qemu-img create -f qcow2 -F qcow2 -b middle.qcow2 disk.qcow2 8391168"},
    {"compressed",
     "qemu-img convert -f raw -O qcow2 -c base.raw disk.qcow2 && qemu-img resize disk.qcow2 8391168"},
    {"compressed_zstd",
     "qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd,cluster_size=16k base.raw disk.qcow2 && "
     "qemu-img resize disk.qcow2 8391168"},
    {"preallocated", "qemu-img create -f qcow2 -o preallocation=full disk.qcow2 8391168"},
    {"zero_clusters",
     "qemu-img create -f qcow2 -F raw -b base.raw disk.qcow2 8391168 && qemu-io -c 'write -z 0 1M' "
     "-c 'write -P 3 2M 1M' -c 'write -z 2M 512k' disk.qcow2"},
    {"snapshots",
     "qemu-img convert -f raw -O qcow2 base.raw disk.qcow2 && qemu-img resize disk.qcow2 8391168 && "
     "qemu-img snapshot -c first disk.qcow2 && qemu-io -c 'write -P 9 1M 1M' disk.qcow2 && "
     "qemu-img snapshot -c second disk.qcow2"},
};

inline std::vector<u8> read_all(Image& image) {
  std::vector<u8> bytes(image.size());
  EXPECT_EQ(image.read(0, {devices::buffer(bytes)}), BlockStatus::Ok);
  return bytes;
}

}  // namespace tandem::tests
