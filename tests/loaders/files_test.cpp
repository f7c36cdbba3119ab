// open_boot_loader: files by their paths, and errors that name them.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/loaders/guest_fixture.h"
#include "tests/loaders/kernel_images.h"

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;

class BootFilesTest : public testing::Test {
 protected:
  BootFilesTest() {
    std::string name = (fs::temp_directory_path() / "boot-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~BootFilesTest() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, const std::vector<u8>& bytes) {
    const fs::path path = folder_ / name;
    std::ofstream out(path, std::ios::binary);
    // SAFETY: bytes as chars.
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    EXPECT_TRUE(out) << path;
    return path;
  }
  std::string kernel() {
    ElfSpec spec = vmlinux_spec();
    spec.notes = pvh_note(0x1000000);
    return file("kernel", make_elf(spec));
  }

  fs::path folder_;
};

TEST_F(BootFilesTest, KernelAndModulesAreReadOnceAndNamedByTheirFiles) {
  const std::string path = kernel(), module = file("initrd.gz", pattern(1000));
  auto loader = machine::open_boot_loader({path, {{module, "x=1"}}, "quiet"});
  ASSERT_TRUE(loader) << loader.error().message;
  fs::remove(path);
  fs::remove(module);
  GuestRam ram(64 * MiB);
  const auto state = loader.value()(ram.memory(), ram.info());
  ASSERT_TRUE(state) << state.error().message;
  const u64 info = state.value().gpr[cpu::kRbx], list = ram.qword(info + 16);
  EXPECT_EQ(ram.text(ram.qword(info + 24)), "quiet");
  EXPECT_TRUE(ram.bytes(ram.qword(list), 1000) == pattern(1000));
  EXPECT_EQ(ram.text(ram.qword(list + 16)), "initrd.gz x=1");
}

TEST_F(BootFilesTest, BiosDataAreaTellsTheEndOfLowMemory) {
  const auto loader = machine::open_boot_loader({kernel(), {}, ""});
  ASSERT_TRUE(loader) << loader.error().message;
  GuestRam ram(32 * MiB);
  ASSERT_TRUE(loader.value()(ram.memory(), ram.info()));
  EXPECT_EQ(ram.word(0x40e), devices::kLowRamEnd >> 4) << "segment of the EBDA";
  EXPECT_EQ(ram.word(0x413), devices::kLowRamEnd / KiB) << "KiB of base memory";
}

TEST_F(BootFilesTest, MissingKernelIsNamed) {
  const std::string path = folder_ / "none";
  expect_user_error(machine::open_boot_loader({path, {}, ""}), path + ": No such file or directory");
}

TEST_F(BootFilesTest, MissingModuleIsNamed) {
  const std::string path = folder_ / "none";
  expect_user_error(machine::open_boot_loader({kernel(), {{path, ""}}, ""}), path + ": No such file");
}

TEST_F(BootFilesTest, FolderIsNamed) {
  expect_user_error(machine::open_boot_loader({folder_, {}, ""}), folder_.string() + ": is a folder");
}

// Opening a pipe would wait for its other end.
TEST_F(BootFilesTest, PipeIsNamed) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_user_error(machine::open_boot_loader({path, {}, ""}), path + ": is no regular file");
}

TEST_F(BootFilesTest, TooLargeFileIsNamed) {
  const std::string path = file("large", {});
  fs::resize_file(path, 4 * GiB + 1);
  expect_user_error(machine::open_boot_loader({path, {}, ""}), path + ": larger than 4 GiB");
}

TEST_F(BootFilesTest, ForeignFilesAreNamed) {
  ElfSpec user_program = vmlinux_spec();
  user_program.segments[0].linked_address = 0x400000;
  ElfSpec elf32 = user_program;
  elf32.is64 = false;
  const std::string_view text = "#!/bin/sh\n";
  for (const std::vector<u8>& bytes : {std::vector<u8>{},
                                       {text.begin(), text.end()},
                                       pattern(100000),
                                       make_elf(user_program),
                                       make_elf(elf32)}) {
    const std::string path = file("foreign", bytes);
    expect_user_error(machine::open_boot_loader({path, {}, ""}), path + ": not a kernel that can be booted");
  }
}

TEST_F(BootFilesTest, KernelIsNamedWhenItDoesNotFit) {
  const std::string path = kernel();
  const auto loader = machine::open_boot_loader({path, {}, ""});
  ASSERT_TRUE(loader) << loader.error().message;
  GuestRam ram(8 * MiB);
  expect_user_error(loader.value()(ram.memory(), ram.info()),
                    path + ": does not fit into the guest's memory (needs 17 MiB)");
}

}  // namespace
}  // namespace tandem::tests
