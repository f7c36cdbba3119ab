#include "devices/virtio/balloon.h"

#include <algorithm>

namespace tandem::devices::virtio {

namespace {

// 5.5.3; queues follow each other as Linux numbers them: those of features that are not offered have no
// number.
constexpr u64 kDeflateOnOom = 1 << 2, kReporting = 1 << 5;
enum Queue : unsigned { kInflate, kDeflate, kReports };
constexpr u64 kTargetField = 0, kActualField = 4;
constexpr u16 kQueueSize = 128;
constexpr u64 kMaxPages = 64 * KiB;  // in one request

}  // namespace

Balloon::Balloon(const machine::DeviceContext& context, std::string name)
    : ServedModel(context, {DeviceType::Balloon, std::move(name), 0x00ff00}, kDeflateOnOom | kReporting,
                  {kQueueSize, kQueueSize, kQueueSize}) {
  set_config(kTargetField, u32{0});
  set_config(kActualField, u32{0});
  start_serving();
}

void Balloon::set_target(u64 bytes) {
  const auto held = lock();
  target_ = static_cast<u32>(std::min(bytes, memory().size()) / kPageSize);
  set_config(kTargetField, target_);
  config_changed();
}

u64 Balloon::given_up() const {
  const auto held = lock();
  return u64{actual_} * kPageSize;
}

void Balloon::config_written(u64 offset, u8 value) {
  if (offset < kActualField || offset >= kActualField + sizeof actual_) return;
  const unsigned shift = static_cast<unsigned>(8 * (offset - kActualField));
  actual_ = (actual_ & ~(0xffu << shift)) | u32{value} << shift;
  set_config(kActualField, actual_);
}

// What comes back from the balloon is there again when it is touched.
u32 Balloon::serve(unsigned queue, const Chain& chain) {
  if (queue == kInflate) inflate(chain);
  if (queue == kReports)
    for (const iovec& v : chain.writable)
      memory().give_back(static_cast<u64>(static_cast<u8*>(v.iov_base) - memory().base()), v.iov_len);
  return 0;
}

// Page numbers; runs of them go together.
void Balloon::inflate(const Chain& chain) {
  std::vector<u32> pages(std::min(chain.to_read / sizeof(u32), kMaxPages));
  // SAFETY: numbers are plain data.
  gather({reinterpret_cast<u8*>(pages.data()), pages.size() * sizeof(u32)}, chain.readable, 0);
  std::ranges::sort(pages);
  for (std::size_t first = 0; first < pages.size();) {
    std::size_t end = first + 1;
    while (end < pages.size() && pages[end] == pages[first] + (end - first)) ++end;
    Buffers run;
    if (append(memory(), u64{pages[first]} << kPageShift, (end - first) << kPageShift, true, run))
      for (const iovec& v : run)
        memory().give_back(static_cast<u64>(static_cast<u8*>(v.iov_base) - memory().base()), v.iov_len);
    first = end;
  }
}

void Balloon::stopped() {
  actual_ = 0;
  set_config(kActualField, actual_);
}

void Balloon::save_own(snapshot::StateWriter& writer) const { writer(target_, actual_); }

std::function<void()> Balloon::load_own(snapshot::StateReader& reader) {
  u32 target = 0, actual = 0;
  reader(target, actual);
  return [this, target, actual] {
    target_ = target;
    actual_ = actual;
    set_config(kTargetField, target);
    set_config(kActualField, actual);
  };
}

}  // namespace tandem::devices::virtio
