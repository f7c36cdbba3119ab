#include "devices/virtio/input.h"

#include <linux/input-event-codes.h>

#include <algorithm>
#include <array>

#include "devices/input/input_sink.h"

namespace tandem::devices::virtio {

namespace {

// 5.8.2, 5.8.4
enum Queue : unsigned { kEvents, kStatus };
constexpr u64 kSelect = 0, kSubselect = 1, kSize = 2, kData = 8, kDataSize = 128;
enum Selection : u8 {
  kName = 0x01,
  kIds = 0x03,
  kProperties = 0x10,
  kEventBits = 0x11,
  kAbsoluteInfo = 0x12,
};
constexpr u64 kEventSize = 8;
constexpr u16 kQueueSize = 64;
constexpr std::size_t kMaxWaiting = 256;
constexpr u16 kLastKey = KEY_MICMUTE;
constexpr u16 kBusVirtual = 0x06, kVendor = 0x0627;

void set_bits(std::vector<u8>& bits, u16 first, u16 last) {
  bits.resize(std::max<std::size_t>(bits.size(), last / 8u + 1));
  for (u16 bit = first; bit <= last; ++bit) bits[bit / 8u] |= static_cast<u8>(1 << bit % 8);
}

template <class T>
void append_value(std::vector<u8>& to, T value) {
  to.resize(to.size() + sizeof value);
  store_le(&to[to.size() - sizeof value], value);
}

}  // namespace

Input::Input(const machine::DeviceContext& context, std::string name, Kind kind)
    : Model(context, {DeviceType::Input, std::move(name), kind == Kind::Keyboard ? 0x090000u : 0x098000u}, 0,
            {kQueueSize, kQueueSize}),
      kind_(kind) {
  show_selected();
}

bool Input::send(std::span<const InputEvent> events) {
  const auto held = lock();
  if (!ring(kEvents) || waiting_.size() + events.size() >= kMaxWaiting) return false;
  waiting_.insert(waiting_.end(), events.begin(), events.end());
  waiting_.push_back({EV_SYN, SYN_REPORT, 0});
  give();
  return true;
}

bool Input::in_use() const {
  const auto held = lock();
  return started();
}

void Input::give() {
  while (!waiting_.empty() && take(kEvents, chain_)) {
    const InputEvent& e = waiting_.front();
    std::array<u8, kEventSize> bytes;
    store_le(&bytes[0], e.type);
    store_le(&bytes[2], e.code);
    store_le(&bytes[4], e.value);
    const u64 n = std::min<u64>(chain_.to_write, bytes.size());
    scatter(chain_.writable, 0, std::span(bytes).first(n));
    complete(kEvents, chain_, static_cast<u32>(n));
    waiting_.pop_front();
  }
}

// The driver's own events light a keyboard's lamps; there are none here.
void Input::kicked(unsigned queue) {
  if (queue == kEvents) return give();
  while (take(kStatus, chain_)) complete(kStatus, chain_, 0);
}

void Input::stopped() {
  waiting_.clear();
  select_ = subselect_ = 0;
  show_selected();
}

void Input::config_written(u64 offset, u8 value) {
  if (offset == kSelect) select_ = value;
  else if (offset == kSubselect) subselect_ = value;
  else return;
  show_selected();
}

void Input::show_selected() {
  const Bytes data = selected();
  set_config(kSelect, select_);
  set_config(kSubselect, subselect_);
  set_config(kSize, static_cast<u8>(data.size()));
  for (u64 i = 0; i < kDataSize; ++i) set_config(kData + i, i < data.size() ? data[i] : u8{0});
}

Input::Bytes Input::selected() const {
  const bool tablet = kind_ == Kind::Tablet;
  Bytes out;
  switch (select_) {
    case kName: {
      const std::string_view text = tablet ? "Tandem tablet" : "Tandem keyboard";
      return subselect_ ? out : Bytes(text.begin(), text.end());
    }
    case kIds:
      if (subselect_) return out;
      for (const u16 id : {kBusVirtual, kVendor, static_cast<u16>(tablet ? 3 : 1), u16{1}})
        append_value(out, id);
      return out;
    case kProperties: return out;
    case kEventBits: return event_bits(subselect_);
    case kAbsoluteInfo:
      if (!tablet || subselect_ > ABS_Y) return out;
      for (const u32 v : {0u, InputSink::kPointerRange, 0u, 0u, 0u}) append_value(out, v);
      return out;
    default: return out;
  }
}

// Empty: no events of this type.
Input::Bytes Input::event_bits(u8 type) const {
  Bytes bits;
  if (kind_ == Kind::Keyboard) {
    if (type == EV_KEY) set_bits(bits, KEY_ESC, kLastKey);
    if (type == EV_REP) set_bits(bits, REP_DELAY, REP_PERIOD);
    return bits;
  }
  if (type == EV_KEY) set_bits(bits, BTN_LEFT, BTN_MIDDLE);
  if (type == EV_REL) set_bits(bits, REL_WHEEL, REL_WHEEL);
  if (type == EV_ABS) set_bits(bits, ABS_X, ABS_Y);
  return bits;
}

void Input::save_own(snapshot::StateWriter& writer) const {
  writer(select_, subselect_, std::vector(waiting_.begin(), waiting_.end()));
}

std::function<void()> Input::load_own(snapshot::StateReader& reader) {
  u8 select = 0, subselect = 0;
  std::vector<InputEvent> waiting;
  reader(select, subselect, waiting);
  reader.check(waiting.size() <= kMaxWaiting, "the events");
  return [this, select, subselect, waiting] {
    select_ = select;
    subselect_ = subselect;
    waiting_.assign(waiting.begin(), waiting.end());
    show_selected();
  };
}

}  // namespace tandem::devices::virtio
