// Guest files, the command line, and settings as text.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/config/command_line.h"
#include "core/config/guest_file.h"

namespace tandem::config {
namespace {

struct Parsed {
  Result<void> result;
  Settings settings;
  std::vector<std::string> warnings;
};

Parsed parse(std::string_view text) {
  Parsed p;
  p.result = parse_guest_file(text, "g.cfg", p.settings, p.warnings);
  return p;
}

TEST(GuestFile, ReadsXlSyntax) {
  const Parsed p = parse(R"(# a comment
name = "one"        # behind a value
memory = 1024
vcpus=0x2
extra = 'console=ttyS0 "quoted"'
serial = [ "stdio",
           'file:/tmp/x' , # inside a list
         ]
expect = []
on_reboot = "destroy"; on_crash = "restart"
)");
  ASSERT_TRUE(p.result) << p.result.error().message;
  EXPECT_EQ(p.settings.name, "one");
  EXPECT_EQ(p.settings.memory, 1024 * MiB);
  EXPECT_EQ(p.settings.vcpus, 2u);
  EXPECT_EQ(p.settings.cmdline, "console=ttyS0 \"quoted\"");
  EXPECT_EQ(p.settings.serial, (List{"stdio", "file:/tmp/x"}));
  EXPECT_EQ(p.settings.on_reboot, "destroy");
  EXPECT_EQ(p.settings.on_crash, "restart");
  EXPECT_TRUE(p.warnings.empty());
}

TEST(GuestFile, UnknownKeyIsAWarningThatNamesTheNearest) {
  const Parsed p = parse("\nmemroy = 5\n");
  ASSERT_TRUE(p.result);
  ASSERT_EQ(p.warnings.size(), 1u);
  EXPECT_EQ(p.warnings[0], "g.cfg:2: unknown key memroy (is memory meant?)");
  EXPECT_EQ(p.settings.memory, 512 * MiB);
}

struct BadRow {
  const char* text;
  const char* message;
};

class BadGuestFile : public testing::TestWithParam<BadRow> {};

TEST_P(BadGuestFile, SaysFileLineAndReason) {
  const Parsed p = parse(GetParam().text);
  ASSERT_FALSE(p.result) << GetParam().text;
  EXPECT_EQ(p.result.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadGuestFile,
    testing::Values(BadRow{"memory\n", "g.cfg:1: memory: an = is missing"},
                    BadRow{"= 5", "g.cfg:1: a line is: key = value"},
                    BadRow{"\nname = \"x", "g.cfg:2: a string without its end"},
                    BadRow{"name = \"x\" \"y\"", "g.cfg:1: name: more than one value"},
                    BadRow{"serial = [ \"a\"", "g.cfg:1: a list without its ]"},
                    BadRow{"serial = [ \"a\" \"b\" ]", "g.cfg:1: items of a list need a comma between them"},
                    BadRow{"serial = [ [ ] ]", "g.cfg:1: a list inside a list"},
                    BadRow{"memory = lots", "g.cfg:1: a value is \"text\", a number, or [ a list ]"},
                    BadRow{"memory = \"12X\"", "g.cfg:1: memory: takes a size in MiB, or with K, M or G"},
                    BadRow{"memory = [ 1 ]", "g.cfg:1: memory: takes a size in MiB, or with K, M or G"},
                    BadRow{"memory = \"99999999999G\"",
                           "g.cfg:1: memory: takes a size in MiB, or with K, M or G"},
                    BadRow{"vcpus = \"many\"", "g.cfg:1: vcpus: takes a number"},
                    BadRow{"name = [ \"a\" ]", "g.cfg:1: name: takes one text, no list"}));

TEST(Sizes, TakeUnits) {
  for (const auto& [text, bytes] : std::initializer_list<std::pair<const char*, u64>>{
           {"1", MiB}, {"64M", 64 * MiB}, {"4096K", 4 * MiB}, {"2g", 2 * GiB}}) {
    Settings s;
    ASSERT_TRUE(set(s, *find_option("memory"), std::string(text))) << text;
    EXPECT_EQ(s.memory, bytes) << text;
  }
}

TEST(CommandLine, WinsOverTheFile) {
  const auto path = std::filesystem::path(testing::TempDir()) / "wins.cfg";
  std::ofstream(path) << "memory = 64\nserial = [ \"null\" ]\nvcpus = 3\n";
  const std::string file = path.string();
  const char* arguments[] = {"--memory", "128", file.c_str(), "--serial=stdio", "--serial", "pty"};
  auto line = parse_command_line(arguments);
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line.value().settings.memory, 128 * MiB);
  EXPECT_EQ(line.value().settings.vcpus, 3u);
  EXPECT_EQ(line.value().settings.serial, (List{"stdio", "pty"}));
  EXPECT_EQ(line.value().settings.name, "wins");
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  for (const auto& [argument, message] : std::initializer_list<std::pair<const char*, const char*>>{
           {"--memmory", "--memmory: unknown option (is --memory meant?)"},
           {"--zzzzzzz", "--zzzzzzz: unknown option"},
           {"--memory", "--memory: a value is missing"},
           {"-m", "-m: options are written --key value"},
           {"--memory=x", "--memory: takes a size in MiB, or with K, M or G"}}) {
    const char* arguments[] = {argument};
    const auto line = parse_command_line(arguments);
    ASSERT_FALSE(line) << argument;
    EXPECT_EQ(line.error().message, message);
  }
}

TEST(PrintConfig, GivesTheSameSettingsAgain) {
  Settings s;
  s.name = "quotes \" and \\ backslashes";
  s.memory = 768 * KiB;
  s.vcpus = 4;
  s.serial = {"stdio", "file:/a b"};
  s.expect = {"login: $", "\\d+ \"x\""};
  s.cmdline = "console=ttyS0";
  s.exit_port = 0x501;
  const Parsed p = parse(print(s));
  ASSERT_TRUE(p.result) << p.result.error().message << "\n" << print(s);
  EXPECT_EQ(p.settings, s) << print(s);
}

}  // namespace
}  // namespace tandem::config
