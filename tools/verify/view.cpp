#include "tools/verify/view.h"

#include <cstring>

namespace tandem::verify {

Result<std::unique_ptr<View>> View::create(const mem::GuestMemory& original) {
  TANDEM_TRY_ASSIGN(memory, mem::GuestMemory::private_view(original));
  return std::unique_ptr<View>(new View(original, std::move(memory)));
}

void View::reset() {
  memory_->drop_writes();
  for (const auto& [page, bytes] : kept_) {
    std::memcpy(memory_->base() + page * kPageSize, bytes.data(), kPageSize);
    memory_->marks().set(page, mem::kDirty);
  }
}

Pages View::written() const {
  Pages pages;
  memory_->marks().for_each(mem::kDirty, [&](u64 page) {
    std::memcpy(pages[page].data(), memory_->base() + page * kPageSize, kPageSize);
  });
  return pages;
}

void View::keep(const Pages& pages) {
  kept_.clear();
  for (const auto& [page, bytes] : pages)
    std::memcpy(kept_[page].data(), original_.base() + page * kPageSize, kPageSize);
}

}  // namespace tandem::verify
