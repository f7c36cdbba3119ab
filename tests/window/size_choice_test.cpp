// Who gave a window its size.
#include "frontend-sdl/size_choice.h"

#include <gtest/gtest.h>

namespace tandem::tests {
namespace {

using frontend::SizeChoice;
using frontend::WindowSize;
using namespace std::chrono_literals;

constexpr WindowSize kText{720, 422}, kGraphics{1280, 822}, kOther{1024, 722};
constexpr auto kLong = 1h;

class SizeChoiceTest : public testing::Test {
 protected:
  // After so long.
  void changed(WindowSize size, std::chrono::milliseconds after = 0ms) {
    now_ += after;
    choice_.changed(size, now_);
  }
  bool has_settled(std::chrono::milliseconds after) { return choice_.has_settled(now_ += after); }
  bool is_recent() const { return choice_.is_recent(now_); }

  SizeChoice choice_;
  SizeChoice::Clock::time_point now_ = SizeChoice::Clock::time_point() + kLong;
};

TEST_F(SizeChoiceTest, AnAnswerMayComeAtAnyTime) {
  choice_.asked(kText);
  choice_.asked(kGraphics);
  for (const WindowSize& late : {kText, kGraphics, kText}) {
    changed(late, kLong);
    EXPECT_FALSE(is_recent());
    EXPECT_FALSE(has_settled(1s));
  }
}

TEST_F(SizeChoiceTest, TheUsersIsToldOnceWhenItStands) {
  choice_.asked(kText);
  EXPECT_FALSE(has_settled(1s));
  for (int width = 800; width < 810; ++width) {
    changed({width, 600}, 200ms);
    EXPECT_FALSE(has_settled(0ms));
    EXPECT_TRUE(is_recent());
  }
  EXPECT_FALSE(has_settled(200ms));
  EXPECT_TRUE(has_settled(100ms));
  EXPECT_FALSE(has_settled(100ms));
  EXPECT_TRUE(is_recent());
  EXPECT_FALSE(has_settled(10s));
  EXPECT_FALSE(is_recent());
}

TEST_F(SizeChoiceTest, BackToWhereItWasIsAChoiceToo) {
  choice_.asked(kGraphics);
  changed(kOther);
  EXPECT_TRUE(has_settled(1s));
  changed(kGraphics, 1s);
  EXPECT_TRUE(has_settled(1s));
  choice_.asked(kText);  // the guest's next mode, much later
  changed(kText, kLong);
  EXPECT_FALSE(has_settled(1s));
}

TEST_F(SizeChoiceTest, WhatIsTakenBackAtOnceIsNone) {
  choice_.asked(kGraphics);
  changed(kOther);
  changed(kGraphics, 100ms);
  EXPECT_FALSE(has_settled(1s));
  EXPECT_FALSE(is_recent());
}

}  // namespace
}  // namespace tandem::tests
