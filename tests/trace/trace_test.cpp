// Trace points: filters, text, files; and what a guest's run leaves.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/trace/trace_file.h"
#include "tests/support/engines.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {
namespace {

using trace::Filter;
using trace::Point;
using trace::Record;

Record port_write(u64 address, u64 value) {
  return {GuestNs{1'500'000'001}, static_cast<u16>(Point::port_write), 4, {0, address, 1, value}};
}

TEST(TraceFilter, PointsAndConditions) {
  struct Row {
    std::string_view filter;
    bool wants_write, wants_halt, takes;  // takes: 41h to port 3F8h
  };
  for (const Row& row : {Row{"port_write", true, false, true}, Row{"*", true, true, true},
                         Row{"port_*,halt", true, true, true}, Row{"halt", false, true, false},
                         Row{"port_write[address=0x3f8]", true, false, true},
                         Row{"port_write[address=0x3f0-0x3f7]", true, false, false},
                         Row{"port_write[address=0x3f0-0x3ff,value=65]", true, false, true},
                         Row{"port_write[address=0x3f8,value=66]", true, false, false},
                         Row{"port_write[value=66],port_write[value=0x41]", true, false, true}}) {
    const auto filter = Filter::parse(row.filter);
    ASSERT_TRUE(filter) << row.filter;
    EXPECT_EQ(filter.value().wants(Point::port_write), row.wants_write) << row.filter;
    EXPECT_EQ(filter.value().wants(Point::halt), row.wants_halt) << row.filter;
    EXPECT_EQ(filter.value().takes(port_write(0x3f8, 0x41)), row.takes) << row.filter;
  }
}

TEST(TraceFilter, Mistakes) {
  for (const auto& [filter, word] : {std::pair{"port_wirte", "port_write"},
                                     {"x*", "x*"},
                                     {"halt[vcpu=0", "]"},
                                     {"halt[cpu=0]", "vcpu"},
                                     {"halt[vcpu]", "vcpu"},
                                     {"halt[vcpu=x]", "vcpu=x"},
                                     {"halt[vcpu=1-]", "vcpu=1-"}}) {
    const auto parsed = Filter::parse(filter);
    ASSERT_FALSE(parsed) << filter;
    EXPECT_NE(parsed.error().message.find(word), std::string::npos) << parsed.error().message;
  }
}

TEST(TraceText, Values) {
  EXPECT_EQ(to_text(port_write(0x3f8, 0x41)),
            "1.500000001 port_write vcpu=0 address=0x3f8 size=1 value=0x41");
}

class TraceFile : public testing::Test {
 protected:
  TraceFile() { std::filesystem::create_directories(folder_); }
  ~TraceFile() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("trace-test-" + std::to_string(getpid()));
  std::string path_ = folder_ / "trace";
};

TEST_F(TraceFile, IsReadAgain) {
  {
    auto sink = trace::file_sink(path_).take();
    for (u64 i = 0; i < 1000; ++i) sink->take(port_write(i, i * i));
  }
  trace::Reader reader = trace::Reader::open(path_).take();
  for (u64 i = 0; i < 1000; ++i) EXPECT_EQ(to_text(*reader.next().take()), to_text(port_write(i, i * i)));
  EXPECT_FALSE(reader.next().take());
}

TEST_F(TraceFile, Damaged) {
  trace::file_sink(path_).take()->take(port_write(1, 2));
  const auto size = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, size - 1);
  trace::Reader reader = trace::Reader::open(path_).take();
  EXPECT_FALSE(reader.next());
  std::filesystem::resize_file(path_, 10);
  EXPECT_FALSE(trace::Reader::open(path_));
  std::ofstream(path_) << "something else altogether";
  EXPECT_FALSE(trace::Reader::open(path_));
  EXPECT_FALSE(trace::Reader::open(folder_ / "missing"));
}

class Keep final : public trace::Sink {
 public:
  explicit Keep(std::vector<std::string>& lines) : lines_(lines) {}
  void take(const Record& r) override { lines_.push_back(to_text(r)); }

 private:
  std::vector<std::string>& lines_;
};

class TraceOf : public testing::TestWithParam<EngineRow> {};

TEST_P(TraceOf, APortsWritesAndTheEnd) {
  std::vector<std::string> lines;
  const auto guest =
      make_rom_guest(GetParam().make(), read_bytes(std::filesystem::path(GUEST_ROMS) / "long64.rom"));
  guest->pc->machine().tracer().start(Filter::parse("port_write[address=0xe9],stop").take(),
                                      std::make_unique<Keep>(lines));
  ASSERT_TRUE(guest->pc->run());
  const std::string text = guest->transcript->text();
  ASSERT_EQ(lines.size(), text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    EXPECT_TRUE(lines[i].ends_with(to_text(port_write(0xe9, static_cast<u8>(text[i]))).substr(11)))
        << lines[i];
  EXPECT_TRUE(lines.back().ends_with("stop why=4")) << lines.back();
}

INSTANTIATE_TEST_SUITE_P(All, TraceOf, testing::ValuesIn(engine_rows()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem::tests
