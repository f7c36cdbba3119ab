// virtio-input (VIRTIO 1.2, 5.8): a keyboard or a tablet, as Linux' input layer sees one.
#pragma once

#include <array>
#include <deque>
#include <span>

#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

// As in linux/input-event-codes.h.
struct InputEvent {
  u16 type = 0, code = 0;
  u32 value = 0;
  static void fields(auto& a, auto& s) { a(s.type, s.code, s.value); }
};

class Input final : public Model {
 public:
  enum class Kind : u8 { Keyboard, Tablet };
  Input(const machine::DeviceContext& context, std::string name, Kind kind);

  // Events that belong together; what ends them is added. False: there is no room for them, and none is lost
  // but these. [any-thread]
  bool send(std::span<const InputEvent> events);
  // The guest's driver is at work. [any-thread]
  bool in_use() const;

 private:
  using Bytes = std::vector<u8>;
  void kicked(unsigned queue) override;
  void stopped() override;
  void config_written(u64 offset, u8 value) override;
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;
  void give();
  void show_selected();
  Bytes selected() const;
  Bytes event_bits(u8 type) const;

  const Kind kind_;
  u8 select_ = 0, subselect_ = 0;
  std::deque<InputEvent> waiting_;
  Chain chain_;
};

}  // namespace tandem::devices::virtio
