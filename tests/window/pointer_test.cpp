// The host's mouse as the guest's.
#include "frontend-sdl/pointer.h"

#include <gtest/gtest.h>

#include <vector>

namespace tandem::tests {
namespace {

using devices::InputSink;
using devices::PointerButton;

class Mouse final : public InputSink {
 public:
  explicit Mouse(bool tablet) : tablet_(tablet) {}
  bool key(u16, bool) override { return true; }
  void button(PointerButton button, bool pressed) override { buttons.emplace_back(button, pressed); }
  void move(i32 right, i32 down, i32 wheel) override { moves.push_back({right, down, wheel}); }
  void point(u32 x, u32 y) override { points.emplace_back(x, y); }
  bool takes_points() const override { return tablet_; }

  std::vector<std::pair<PointerButton, bool>> buttons;
  std::vector<std::array<i32, 3>> moves;
  std::vector<std::pair<u32, u32>> points;

 private:
  bool tablet_;
};

SDL_MouseButtonEvent button(Uint32 type, Uint8 which) {
  SDL_MouseButtonEvent event{};
  event.type = type;
  event.button = which;
  return event;
}

TEST(Pointer, APlaceOfTheTablet) {
  Mouse mouse(true);
  frontend::Pointer pointer(mouse);
  const frontend::Area picture{100, 50, 801, 401};
  pointer.moved(100, 50, 0, 0, picture);
  pointer.moved(900, 450, 0, 0, picture);
  pointer.moved(500, 250, 0, 0, picture);
  pointer.moved(0, 5000, 0, 0, picture);  // beside it
  const u32 most = InputSink::kPointerRange;
  EXPECT_EQ(mouse.points,
            (std::vector<std::pair<u32, u32>>{{0, 0}, {most, most}, {most / 2, most / 2}, {0, most}}));
  EXPECT_TRUE(mouse.moves.empty());
}

TEST(Pointer, ButtonsOfATabletNeedNoGrab) {
  Mouse mouse(true);
  frontend::Pointer pointer(mouse);
  pointer.button(button(SDL_MOUSEBUTTONDOWN, SDL_BUTTON_RIGHT));
  EXPECT_TRUE(pointer.holds_button());
  pointer.release_buttons();  // the focus has gone
  EXPECT_FALSE(pointer.holds_button());
  pointer.button(button(SDL_MOUSEBUTTONUP, SDL_BUTTON_RIGHT));
  EXPECT_EQ(mouse.buttons, (std::vector<std::pair<PointerButton, bool>>{{PointerButton::Right, true},
                                                                        {PointerButton::Right, false}}));
  SDL_MouseWheelEvent wheel{};
  wheel.y = -2;
  pointer.wheel(wheel);
  EXPECT_EQ(mouse.moves, (std::vector<std::array<i32, 3>>{{0, 0, -2}}));
}

TEST(Pointer, WithoutAGrabAMouseStaysWhereItIs) {
  Mouse mouse(false);
  frontend::Pointer pointer(mouse);
  pointer.moved(10, 10, 3, 4, {0, 0, 100, 100});
  SDL_MouseWheelEvent wheel{};
  wheel.y = 1;
  pointer.wheel(wheel);
  pointer.button(button(SDL_MOUSEBUTTONUP, SDL_BUTTON_LEFT));
  EXPECT_TRUE(mouse.moves.empty() && mouse.points.empty() && mouse.buttons.empty());
}

}  // namespace
}  // namespace tandem::tests
