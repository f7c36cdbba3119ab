#include "devices/virtio/gpu/gpu.h"

#include <algorithm>

#include "devices/virtio/gpu/edid.h"

namespace tandem::devices::virtio {

using namespace gpu;

namespace {

// 5.7.3, 5.7.4
constexpr u64 kEdidFeature = 1 << 1;
constexpr u64 kEventsField = 0, kEventsClear = 4, kScanoutsField = 8;
constexpr u32 kDisplayEvent = 1;
enum Queue : unsigned { kControl, kCursor };
constexpr u16 kControlSize = 256, kCursorSize = 16;

constexpr u32 kFirstWidth = 1280, kFirstHeight = 800;
// What a driver may have the host keep.
constexpr u64 kMaxBytes = 256 * MiB;
constexpr std::size_t kMaxResources = 4096;
constexpr u64 kMaxRequest = MiB;

template <class T>
void append_value(std::vector<u8>& to, const T& value) {
  const auto bytes = std::bit_cast<std::array<u8, sizeof(T)>>(value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

class GpuView final : public DisplayView {
 public:
  explicit GpuView(const Gpu& gpu) : gpu_(gpu) {}
  std::vector<Rows> refresh(bool) override {
    gpu_.look(look_, seen_);
    return look_.draw(picture_);
  }

 private:
  const Gpu& gpu_;
  Look look_;
  u64 seen_ = 0;
};

}  // namespace

Gpu::Gpu(const machine::DeviceContext& context, std::string name)
    : ServedModel(context, {DeviceType::Gpu, std::move(name), 0x038000}, kEdidFeature,
                  {kControlSize, kCursorSize}),
      wanted_width_(kFirstWidth),
      wanted_height_(kFirstHeight) {
  set_config(kEventsField, u64{0});
  set_config(kScanoutsField, u64{1});  // and no capability sets
  screen_.show({}, wanted_width_, wanted_height_);
  start_serving();
}

Picture Gpu::picture(bool) const {
  Look all;
  u64 seen = 0;
  look(all, seen);
  Picture picture;
  all.draw(picture);
  return picture;
}

std::unique_ptr<DisplayView> Gpu::open_view() const { return std::make_unique<GpuView>(*this); }

void Gpu::look(gpu::Look& look, u64& seen) const {
  const std::lock_guard shown(screen_mutex_);
  screen_.look(look, seen);
}

bool Gpu::want_size(u32 width, u32 height) {
  const auto held = lock();
  {
    const std::lock_guard shown(screen_mutex_);
    wanted_width_ = std::clamp(width, kMinSize, kMaxWidth);
    wanted_height_ = std::clamp(height, kMinSize, kMaxHeight);
    if (!screen_.scanout().resource) screen_.show({}, wanted_width_, wanted_height_);
  }
  set_config(kEventsField, events_ |= kDisplayEvent);
  config_changed();
  return true;
}

void Gpu::config_written(u64 offset, u8 value) {
  if (offset != kEventsClear) return;
  set_config(kEventsField, events_ &= ~u32{value});
}

// 5.7.6.8: the answer has the request's fence.
u32 Gpu::serve(unsigned queue, const Chain& chain) {
  Bytes request(std::min(chain.to_read, kMaxRequest)), answer(sizeof(Header));
  gather(request, chain.readable, 0);
  Header header;
  if (request.size() < sizeof header) return 0;
  std::memcpy(&header, request.data(), sizeof header);
  u32 type = kUnspecified;
  if ((header.type >= kUpdateCursor) == (queue == kCursor)) {
    const std::lock_guard shown(screen_mutex_);
    type = carry_out(header.type, request, answer);
  }
  const bool fenced = header.flags & kFence;
  const Header said{type, fenced ? kFence : 0, fenced ? header.fence : 0, fenced ? header.context : 0, 0};
  std::memcpy(answer.data(), &said, sizeof said);
  const u64 n = std::min<u64>(answer.size(), chain.to_write);
  scatter(chain.writable, 0, std::span(answer).first(n));
  return static_cast<u32>(n);
}

u32 Gpu::carry_out(u32 command, const Bytes& request, Bytes& answer) {
  switch (command) {
    case kGetDisplayInfo: return display_info(answer);
    case kCreate2d: return create(request);
    case kUnref: return unref(request);
    case kSetScanout: return set_scanout(request);
    case gpu::kFlush: return flush(request);
    case kTransferToHost2d: return transfer(request);
    case kAttachBacking: return attach_backing(request);
    case kDetachBacking: return detach_backing(request);
    case kGetEdid: return give_edid(request, answer);
    case kUpdateCursor: return set_cursor(request, false);
    case kMoveCursor: return set_cursor(request, true);
    default: return kUnspecified;
  }
}

Resource* Gpu::find(u32 resource) {
  const auto found = resources_.find(resource);
  return found == resources_.end() ? nullptr : &found->second;
}

u64 Gpu::bytes() const {
  u64 sum = 0;
  for (const auto& [number, resource] : resources_) sum += resource.bytes();
  return sum;
}

u32 Gpu::display_info(Bytes& answer) const {
  std::array<DisplayInfo, kMaxScanouts> displays{};
  displays[0] = {{0, 0, wanted_width_, wanted_height_}, 1, 0};
  for (const DisplayInfo& d : displays) append_value(answer, d);
  return kOkDisplayInfo;
}

u32 Gpu::give_edid(const Bytes& request, Bytes& answer) const {
  const auto what = body<GetEdid>(request);
  if (!what) return kBadParameter;
  if (what->scanout != 0) return kBadScanout;
  const auto data = edid(wanted_width_, wanted_height_);
  append_value(answer, u64{data.size()});
  answer.insert(answer.end(), data.begin(), data.end());
  answer.resize(answer.size() + kEdidSpace - data.size());
  return kOkEdid;
}

u32 Gpu::create(const Bytes& request) {
  const auto what = body<Create2d>(request);
  if (!what || !Resource::known_format(what->format) || !what->width || !what->height) return kBadParameter;
  if (what->resource == 0 || find(what->resource)) return kBadResource;
  if (u64{what->width} * what->height > kMaxBytes / kPixelBytes || resources_.size() == kMaxResources ||
      bytes() + Resource::size(what->width, what->height) > kMaxBytes)
    return kOutOfMemory;
  resources_.emplace(what->resource, Resource(what->format, what->width, what->height));
  return kOk;
}

u32 Gpu::unref(const Bytes& request) {
  const auto what = body<ResourceOnly>(request);
  if (!what || !find(what->resource)) return kBadResource;
  screen_.forget(what->resource);
  resources_.erase(what->resource);
  return kOk;
}

u32 Gpu::set_scanout(const Bytes& request) {
  const auto what = body<SetScanout>(request);
  if (!what) return kBadParameter;
  if (what->scanout != 0) return kBadScanout;
  if (what->resource == 0) return screen_.show({}, wanted_width_, wanted_height_), kOk;
  const Resource* const resource = find(what->resource);
  if (!resource) return kBadResource;
  if (!what->rect.width || !what->rect.height || !what->rect.inside(resource->width(), resource->height()))
    return kBadParameter;
  screen_.show({what->rect, what->resource}, 0, 0);
  return kOk;
}

u32 Gpu::flush(const Bytes& request) {
  const auto what = body<Flush>(request);
  if (!what) return kBadParameter;
  const Resource* const resource = find(what->resource);
  if (!resource) return kBadResource;
  if (!what->rect.inside(resource->width(), resource->height())) return kBadParameter;
  screen_.damage(what->resource, what->rect);
  return kOk;
}

u32 Gpu::transfer(const Bytes& request) {
  const auto what = body<Transfer2d>(request);
  if (!what) return kBadParameter;
  Resource* const resource = find(what->resource);
  if (!resource || !resource->has_backing()) return kBadResource;
  return resource->transfer(memory(), what->rect, what->offset) ? kOk : kBadParameter;
}

u32 Gpu::attach_backing(const Bytes& request) {
  const auto what = body<AttachBacking>(request);
  if (!what) return kBadParameter;
  Resource* const resource = find(what->resource);
  if (!resource || resource->has_backing()) return kBadResource;
  constexpr std::size_t kStart = sizeof(Header) + sizeof(AttachBacking);
  if (what->entries == 0 || what->entries > (request.size() - kStart) / sizeof(BackingEntry))
    return kBadParameter;
  std::vector<BackingEntry> entries(what->entries);
  // SAFETY: entries are plain data, and the request has so many.
  std::memcpy(entries.data(), request.data() + kStart, entries.size() * sizeof(BackingEntry));
  resource->attach(std::move(entries));
  return kOk;
}

u32 Gpu::detach_backing(const Bytes& request) {
  const auto what = body<ResourceOnly>(request);
  Resource* const resource = what ? find(what->resource) : nullptr;
  if (!resource) return kBadResource;
  resource->detach();
  return kOk;
}

u32 Gpu::set_cursor(const Bytes& request, bool only_move) {
  const auto what = body<CursorCommand>(request);
  if (!what) return kBadParameter;
  if (what->scanout != 0) return kBadScanout;
  gpu::Cursor next = screen_.cursor();
  next.x = what->x;
  next.y = what->y;
  if (!only_move) {
    if (what->resource && !find(what->resource)) return kBadResource;
    next.resource = what->resource;
    next.hot_x = what->hot_x;
    next.hot_y = what->hot_y;
  }
  screen_.point(next);
  return kOk;
}

void Gpu::stopped() {
  const std::lock_guard shown(screen_mutex_);
  screen_.point({});
  screen_.show({}, wanted_width_, wanted_height_);
  resources_.clear();
}

void Gpu::save_own(snapshot::StateWriter& writer) const {
  const std::lock_guard shown(screen_mutex_);
  writer(events_, wanted_width_, wanted_height_, screen_.scanout(), screen_.cursor());
  writer(static_cast<u32>(resources_.size()));
  for (const auto& [number, resource] : resources_) {
    writer(number);
    resource.save(writer);
  }
}

std::function<void()> Gpu::load_own(snapshot::StateReader& reader) {
  u32 events = 0, width = 0, height = 0, count = 0;
  Scanout scanout;
  gpu::Cursor cursor;
  auto resources = std::make_shared<Resources>();
  reader(events, width, height, scanout, cursor, count);
  reader.check(count <= kMaxResources && std::clamp(width, kMinSize, kMaxWidth) == width &&
                   std::clamp(height, kMinSize, kMaxHeight) == height,
               "a screen");
  for (u64 left = kMaxBytes; count && !reader.failed(); --count) {
    u32 number = 0;
    Resource resource;
    reader(number);
    resource.load(reader, left);
    left -= resource.bytes();
    reader.check(resources->emplace(number, std::move(resource)).second, "a resource");
  }
  const auto shown = resources->find(scanout.resource);
  reader.check(
      scanout.resource == 0 || (shown != resources->end() && scanout.rect.width && scanout.rect.height &&
                                scanout.rect.inside(shown->second.width(), shown->second.height())),
      "what is shown");
  return [=, this] {
    const std::lock_guard held(screen_mutex_);
    set_config(kEventsField, events_ = events);
    wanted_width_ = width;
    wanted_height_ = height;
    resources_ = std::move(*resources);
    screen_.point(cursor);
    screen_.show(scanout, width, height);
  };
}

}  // namespace tandem::devices::virtio
