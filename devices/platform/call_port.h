// CallPort: a port whose writes call a function: isa-debug-exit, exit port, pvpanic, debug console, fast
// reset.
#pragma once

#include <functional>
#include <string>

#include "core/machine/device.h"

namespace tandem::devices {

class CallPort final : public machine::Device, public bus::IoHandler {
 public:
  CallPort(std::string name, u8 read_value, std::function<void(u32)> on_write)
      : name_(std::move(name)), read_value_(read_value), on_write_(std::move(on_write)) {}

  void io(bus::IoAccess& access) override {
    if (access.dir == bus::IoDir::Read) access.value = read_value_;
    else on_write_(static_cast<u32>(access.value));
  }

  std::string_view name() const override { return name_; }
  void reset(machine::ResetKind) override {}
  Result<void> quiesce() override { return {}; }
  void save(snapshot::StateWriter& writer) const override {
    writer.begin_section(name_, 1);
    writer.end_section();
  }
  Result<void> load(snapshot::StateReader& reader) override {
    TANDEM_TRY(reader.begin_section(name_, 1));
    return reader.end_section();
  }

 private:
  std::string name_;
  u8 read_value_;
  std::function<void(u32)> on_write_;
};

}  // namespace tandem::devices
