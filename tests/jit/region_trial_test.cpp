// Does a region pay? build/tests/jit/jit_test --gtest_filter='RegionTrial*'
#include "jit/regions/region_trial.h"

#include <gtest/gtest.h>

namespace tandem::jit {

namespace {

using Verdict = RegionTrial::Verdict;

struct Row {
  std::string name;
  std::vector<double> ratios;  // of the rates with the region and without
  double share;
  Verdict verdict;
  std::size_t pairs;  // after which it is there
};

class Trial : public testing::TestWithParam<Row> {};

TEST_P(Trial, EndsByWhatItSaw) {
  const Row& row = GetParam();
  RegionTrial trial;
  Verdict verdict = Verdict::Open;
  std::size_t pairs = 0;
  for (const double ratio : row.ratios) {
    ASSERT_FALSE(trial.wants_region());
    ASSERT_EQ(trial.add({.rate = 2, .share = 0}), Verdict::Open);
    ASSERT_TRUE(trial.wants_region());
    verdict = trial.add({.rate = 2 * ratio, .share = row.share});
    ++pairs;
    if (verdict != Verdict::Open) break;
  }
  EXPECT_EQ(verdict, row.verdict);
  EXPECT_EQ(pairs, row.pairs);
}

INSTANTIATE_TEST_SUITE_P(
    RegionTrial, Trial,
    testing::Values(
        Row{"faster_each_time", {1.5, 1.4, 1.6}, 0.9, Verdict::Pays, 3},
        Row{"slower_each_time", {0.7, 0.8, 0.7}, 0.9, Verdict::Fails, 3},
        Row{"mostly_faster", {1.1, 0.9, 1.2, 1.1, 0.8, 1.1, 1.1}, 0.9, Verdict::Pays, 7},
        Row{"mostly_slower", {0.9, 1.1, 0.9, 0.95, 1.2, 0.9, 0.9}, 0.9, Verdict::Fails, 7},
        Row{"undecided_yet", {1.1, 0.9, 1.1}, 0.9, Verdict::Open, 3},
        Row{"as_fast", {1, 1, 1, 1, 1, 1, 1}, 0.9, Verdict::Pays, 7},
        Row{"as_fast_but_for_noise", {0.99, 1, 0.99, 0.95, 1.05, 0.99, 0.97}, 0.9, Verdict::Pays, 7},
        Row{"a_little_slower", {0.98, 1, 0.97, 0.98, 0.98, 1, 0.97}, 0.9, Verdict::Fails, 7},
        Row{"no_longer_run", {1.5, 1.5, 1.5, 1.5}, 0.01, Verdict::Void, 4}),
    [](const auto& info) { return info.param.name; });

}  // namespace

}  // namespace tandem::jit
