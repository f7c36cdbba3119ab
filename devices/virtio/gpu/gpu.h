// virtio-gpu (VIRTIO 1.2, 5.7), 2D: one screen, whose size is the wish of whoever looks at it.
#pragma once

#include "devices/display/display.h"
#include "devices/virtio/gpu/screen.h"
#include "devices/virtio/served_model.h"

namespace tandem::devices::virtio {

class Gpu final : public ServedModel, public Display {
 public:
  Gpu(const machine::DeviceContext& context, std::string name);
  ~Gpu() override { stop_serving(); }

  // Display [any-thread]
  Picture picture(bool blink_shown = true) const override;
  std::unique_ptr<DisplayView> open_view() const override;
  // The guest is told, and sets the mode if it likes to.
  bool want_size(u32 width, u32 height) override;
  // What has changed; to be drawn without holding up the driver. `seen`: 0 at first. [any-thread]
  void look(gpu::Look& look, u64& seen) const;

 private:
  using Bytes = std::vector<u8>;
  u32 serve(unsigned queue, const Chain& chain) override;
  // Carries out a request; appends to the answer what it has behind the header.
  u32 carry_out(u32 command, const Bytes& request, Bytes& answer);
  u32 display_info(Bytes& answer) const;
  u32 give_edid(const Bytes& request, Bytes& answer) const;
  u32 create(const Bytes& request);
  u32 unref(const Bytes& request);
  u32 set_scanout(const Bytes& request);
  u32 flush(const Bytes& request);
  u32 transfer(const Bytes& request);
  u32 attach_backing(const Bytes& request);
  u32 detach_backing(const Bytes& request);
  u32 set_cursor(const Bytes& request, bool only_move);
  gpu::Resource* find(u32 resource);
  u64 bytes() const;

  void config_written(u64 offset, u8 value) override;
  void stopped() override;
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;

  u32 events_ = 0;                   // with the device's lock
  mutable std::mutex screen_mutex_;  // guards what follows; taken after the device's lock
  u32 wanted_width_, wanted_height_;
  gpu::Resources resources_;
  gpu::Screen screen_{resources_};
};

}  // namespace tandem::devices::virtio
