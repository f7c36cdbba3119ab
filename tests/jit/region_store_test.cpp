// Compiled regions on disk: build/tests/jit/jit_test --gtest_filter='RegionStore*'
#include "jit/llvm/region_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tandem::jit {

namespace {

namespace fs = std::filesystem;

class RegionStoreTest : public testing::Test {
 protected:
  RegionStoreTest() {
    region_.object = {1, 2, 3, 4};
    region_.exits = {{.kind = RegionExit::Kind::Block, .at = -5, .block = 1, .insn = 2}};
    region_.vectors.used = region_.vectors.x87 = true;
    plan_.blocks.push_back({.at = 16,
                            .insns = {},
                            .bytes = {0x90, 0xc3},
                            .regions = {0, 0},
                            .leaves = {false, true},
                            .targets = {}});
    region_.outline = outline_of(plan_, key_of(plan_));
  }
  ~RegionStoreTest() override { fs::remove_all(directory_); }

  std::shared_ptr<RegionStore> open(const std::string& host = "a host") const {
    return RegionStore::open(directory_, host).take();
  }
  fs::path only_file() const { return fs::directory_iterator(directory_)->path(); }
  // What is printed while a file is looked for in vain.
  std::string complaint_of(RegionStore& store) const {
    testing::internal::CaptureStderr();
    EXPECT_FALSE(store.find(key_of(plan_)));
    return testing::internal::GetCapturedStderr();
  }

  const std::string directory_ = testing::TempDir() + "regions-" + std::to_string(getpid());
  StoredRegion region_;
  RegionPlan plan_;
};

TEST_F(RegionStoreTest, FindsWhatWasAddedByAnotherRun) {
  open()->add(region_);
  const auto store = open();
  const auto found = store->find(key_of(plan_));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->object, region_.object);
  ASSERT_EQ(found->exits.size(), 1u);
  EXPECT_EQ(found->exits[0].at, -5);
  EXPECT_EQ(found->exits[0].insn, 2u);
  EXPECT_TRUE(found->vectors.used);
  EXPECT_TRUE(found->vectors.x87);
  EXPECT_FALSE(found->vectors.wide);
}

TEST_F(RegionStoreTest, KeepsWhatARunFoundOut) {
  const auto first = open();
  first->add(region_);
  EXPECT_EQ(first->find(key_of(plan_))->outline.verdict, RegionVerdict::Untried);
  first->judge(key_of(plan_), RegionVerdict::Fails);
  const auto found = open()->find(key_of(plan_));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->outline.verdict, RegionVerdict::Fails);
  EXPECT_EQ(found->object, region_.object);
}

TEST_F(RegionStoreTest, IndexHasWhatOtherRunsLeft) {
  open()->add(region_);
  open()->judge(key_of(plan_), RegionVerdict::Pays);
  std::ofstream(directory_ + "/another file") << "something else";
  const auto has = [&](const RegionStore& store) {
    return store.index().with_block(plan_.settings, 16, plan_.blocks[0].bytes);
  };
  const auto store = open();
  EXPECT_TRUE(has(*store).empty());
  store->fill_index();
  ASSERT_EQ(has(*store).size(), 1u);
  EXPECT_EQ(has(*store)[0]->verdict, RegionVerdict::Pays);
  const auto other = open("another host");
  other->fill_index();
  EXPECT_TRUE(has(*other).empty());
}

TEST_F(RegionStoreTest, JudgesNothingThatIsNotThere) {
  open()->judge(key_of(plan_), RegionVerdict::Pays);
  EXPECT_FALSE(open()->find(key_of(plan_)));
}

TEST_F(RegionStoreTest, OtherCodeAndOtherHostsHaveNone) {
  open()->add(region_);
  EXPECT_FALSE(open("another host")->find(key_of(plan_)));
  plan_.blocks[0].bytes[0] = 0xcc;
  EXPECT_FALSE(open()->find(key_of(plan_)));
}

TEST_F(RegionStoreTest, DamagedFilesAreReportedOnceAndIgnored) {
  open()->add(region_);
  const auto size = static_cast<std::streamoff>(fs::file_size(only_file()));
  for (std::streamoff at = 0; at < size; ++at) {
    SCOPED_TRACE(at);
    std::fstream file(only_file(), std::ios::in | std::ios::out | std::ios::binary);
    const int before = file.seekg(at).peek();
    file.seekp(at).put(static_cast<char>(before ^ 0x10));
    file.close();
    const auto store = open();
    EXPECT_NE(complaint_of(*store).find("ignored"), std::string::npos);
    EXPECT_EQ(complaint_of(*store), "");
    std::fstream(only_file(), std::ios::in | std::ios::out | std::ios::binary)
        .seekp(at)
        .put(static_cast<char>(before));
  }
  for (std::uintmax_t left = 1; left < static_cast<std::uintmax_t>(size); left += 3) {
    fs::resize_file(only_file(), left);
    EXPECT_NE(complaint_of(*open()), "") << left;
    open()->add(region_);
  }
}

TEST_F(RegionStoreTest, AForeignFileOfTheSameNameIsIgnored) {
  open()->add(region_);
  std::ofstream(only_file(), std::ios::binary) << "something else";
  EXPECT_NE(complaint_of(*open()), "");
}

TEST_F(RegionStoreTest, ADirectoryThatCanNotBeMadeIsTheUsersMistake) {
  const auto store = RegionStore::open("/proc/none/regions", "a host");
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find("/proc/none/regions"), std::string::npos);
}

}  // namespace

}  // namespace tandem::jit
