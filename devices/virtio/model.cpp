#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

namespace {

constexpr u64 kCommonFeatures = kIndirect | kEventIndex | kVersion1 | kPacked;
constexpr u8 kStatusBits = kAcknowledge | kDriver | kDriverOk | kFeaturesOk | kNeedsReset | kFailed;

}  // namespace

Model::Model(const machine::DeviceContext& context, Identity identity, u64 features,
             std::vector<u16> queue_sizes)
    : memory_(context.memory),
      counters_(context.counters),
      identity_(std::move(identity)),
      sizes_(std::move(queue_sizes)),
      offered_(features | kCommonFeatures),
      rings_(sizes_.size()) {
  clear();
}

u64 Model::accepted() const {
  const auto held = lock();
  return state_.accepted;
}

// 2.2.1: fixed from FEATURES_OK on.
void Model::accept(u64 features) {
  const auto held = lock();
  if (!(state_.status & (kFeaturesOk | kDriverOk))) state_.accepted = features;
}

u8 Model::status() const {
  const auto held = lock();
  return state_.status;
}

void Model::write_status(u8 value) {
  const auto held = lock();
  if (value == 0) {
    for (auto& r : rings_) r.reset();
    reset_pending_ = under_way_ != 0;
    if (!reset_pending_) clear();
    return;
  }
  if (reset_pending_) return;
  const u8 before = state_.status;
  u8 now = static_cast<u8>((value & kStatusBits) | (before & kNeedsReset));
  // 3.1.1: what was not offered is refused.
  if ((now & kFeaturesOk) && !(before & kFeaturesOk) && (state_.accepted & ~offered_)) now &= ~kFeaturesOk;
  state_.status = now;
  if ((now & kDriverOk) && !(before & kDriverOk)) start();
}

QueueState Model::queue(unsigned n) const {
  const auto held = lock();
  return n < queue_count() ? state_.queues[n] : QueueState{};
}

void Model::set_queue(unsigned n, const QueueState& state) {
  const auto held = lock();
  if (n >= queue_count() || rings_[n] || state.size > sizes_[n]) return;
  state_.queues[n] = state;
  if (state.enabled && (state_.status & kDriverOk)) open(n);
}

void Model::start() {
  for (unsigned n = 0; n < queue_count(); ++n)
    if (state_.queues[n].enabled) open(n);
  for (unsigned n = 0; n < queue_count(); ++n)
    if (ring(n)) kicked(n);
}

void Model::open(unsigned n) {
  QueueState& q = state_.queues[n];
  // 2.8.1: the wrap counters of a packed ring start with 1.
  if (has(kPacked)) q.next_available = q.next_used = q.signalled = 0x8000;
  rings_[n] = make_ring(memory_, q, state_.accepted);
  if (!rings_[n]) fail();
}

bool Model::in_use(unsigned queue) const {
  const auto held = lock();
  return queue < queue_count() && rings_[queue];
}

void Model::kick(unsigned queue) {
  const auto held = lock();
  if (queue >= queue_count() || !rings_[queue]) return;
  rings_[queue]->spare_notification();
  kicked(queue);
}

bool Model::take(unsigned queue, Chain& chain) {
  while (Ring* r = ring(queue)) {
    const Ring::Taken taken = r->take(chain);
    if (taken == Ring::Taken::Chain) return true;
    if (taken == Ring::Taken::Broken) fail();
    else if (r->ask_for_notification()) break;
  }
  return false;
}

void Model::complete(unsigned queue, const Chain& chain, u32 bytes) {
  if (!ring(queue)) return written(memory_, chain.writable, bytes);
  ring(queue)->give_back(chain, bytes);
  publish(queue);
}

void Model::publish(unsigned queue) {
  if (ring(queue) && ring(queue)->publish()) transport_->queue_used(queue);
}

// 2.1.2
void Model::fail() {
  counters_.get("virtio.broken").fetch_add(1, std::memory_order_relaxed);
  for (auto& r : rings_) r.reset();
  state_.status |= kNeedsReset;
  config_changed();
}

// 3.1: nothing is told before DRIVER_OK.
void Model::config_changed() {
  ++generation_;
  if (started()) transport_->config_changed();
}

void Model::release() {
  if (--under_way_ == 0 && reset_pending_) clear();
}

void Model::clear() {
  reset_pending_ = false;
  state_ = {};
  for (const u16 size : sizes_) state_.queues.push_back({.size = size});
  for (auto& r : rings_) r.reset();
  stopped();
}

u8 Model::config_generation() const {
  const auto held = lock();
  return generation_;
}

u64 Model::read_config(u64 offset, unsigned size) const {
  const auto held = lock();
  u64 value = 0;
  for (unsigned i = 0; i < size && offset + i < config_.size(); ++i)
    value |= u64{config_[offset + i]} << 8 * i;
  return value;
}

void Model::write_config(u64 offset, unsigned size, u64 value) {
  const auto held = lock();
  for (unsigned i = 0; i < size; ++i) config_written(offset + i, static_cast<u8>(value >> 8 * i));
}

void Model::config_written(u64, u8) {}

void Model::reset() {
  std::ignore = quiesce();
  const auto held = lock();
  clear();
}

// Also after load(): what the driver made available is looked at again.
void Model::resume() {
  const auto held = lock();
  for (unsigned n = 0; n < queue_count(); ++n)
    if (ring(n)) kicked(n);
}

void Model::save(snapshot::StateWriter& writer) const {
  const auto held = lock();
  DeviceState state = state_;
  for (unsigned n = 0; n < queue_count(); ++n)
    if (rings_[n]) state.queues[n] = rings_[n]->state();
  writer(state);
  save_own(writer);
}

std::function<void()> Model::load(snapshot::StateReader& reader) {
  DeviceState state;
  reader(state);
  reader.check(state.queues.size() == sizes_.size() && !(state.status & ~kStatusBits), "a virtio device");
  for (unsigned n = 0; n < queue_count() && !reader.failed(); ++n)
    reader.check(state.queues[n].size <= sizes_[n], "the size of a queue");
  return [this, state, model = load_own(reader)] {
    const auto held = lock();
    clear();
    state_ = state;
    model();
    if ((state.status & (kDriverOk | kNeedsReset)) != kDriverOk) return;
    for (unsigned n = 0; n < queue_count(); ++n) {
      if (!state.queues[n].enabled) continue;
      rings_[n] = make_ring(memory_, state.queues[n], state.accepted);
      if (!rings_[n]) return fail();
    }
  };
}

}  // namespace tandem::devices::virtio
