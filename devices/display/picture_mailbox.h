// PictureMailbox: a picture on its way from the thread that draws it to one that shows it: the newest, and
// which of its rows have not been taken.
#pragma once

#include <algorithm>
#include <mutex>
#include <span>
#include <vector>

#include "devices/display/picture.h"

namespace tandem::devices {

class PictureMailbox {
 public:
  // True: there was nothing in it. [any-thread]
  bool put(const Picture& image, std::span<const Rows> changed) {
    const std::lock_guard lock(mutex_);
    const bool was_empty = changed_.empty();
    if (image.width != picture_.width || image.height != picture_.height) {
      picture_ = image;
      changed_ = {{0, image.height}};
      return was_empty;
    }
    for (const Rows& rows : changed)
      std::copy_n(image.row(rows.first), u64{rows.count} * image.width, picture_.row(rows.first));
    changed_.insert(changed_.end(), changed.begin(), changed.end());
    if (changed_.size() > kMostPieces) changed_ = {{0, image.height}};
    return was_empty;
  }
  // show(picture, rows), where there is something new. put() waits meanwhile. [any-thread]
  template <class F>
  void take(F show) {
    const std::lock_guard lock(mutex_);
    if (!changed_.empty()) show(std::as_const(picture_), std::span<const Rows>(changed_));
    changed_.clear();
  }

 private:
  static constexpr std::size_t kMostPieces = 256;
  std::mutex mutex_;
  Picture picture_;
  std::vector<Rows> changed_;
};

}  // namespace tandem::devices
