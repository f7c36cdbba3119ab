// Where the picture stands in the window.
#include "frontend-sdl/layout.h"

#include <gtest/gtest.h>

namespace tandem::tests {
namespace {

using frontend::Area;
using frontend::place;
using frontend::Scaling;

TEST(Layout, Areas) {
  struct Row {
    Scaling scaling;
    int width, height;
    Area area;
  };
  // A picture of 720 by 400.
  for (const Row& row :
       {Row{Scaling::Fit, 720, 400, {0, 0, 720, 400}}, Row{Scaling::Fit, 1440, 1000, {0, 100, 1440, 800}},
        Row{Scaling::Fit, 1000, 400, {140, 0, 720, 400}}, Row{Scaling::Fit, 360, 1, {179, 0, 1, 1}},
        Row{Scaling::Integer, 1500, 900, {30, 50, 1440, 800}},
        Row{Scaling::Integer, 1439, 900, {359, 250, 720, 400}},
        Row{Scaling::Integer, 360, 300, {0, 50, 360, 200}}, Row{Scaling::Stretch, 33, 999, {0, 0, 33, 999}}})
    EXPECT_TRUE(place(row.scaling, 720, 400, row.width, row.height) == row.area)
        << row.width << "x" << row.height;
}

}  // namespace
}  // namespace tandem::tests
