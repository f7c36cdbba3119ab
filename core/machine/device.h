// Device: what the machine asks of everything that has state.
#pragma once

#include <string_view>

#include "core/base/result.h"
#include "core/bus/bus.h"
#include "core/irq/acknowledgements.h"
#include "core/machine/counters.h"
#include "core/mem/guest_memory.h"
#include "core/snapshot/archive.h"
#include "core/time/clock.h"

namespace tandem::machine {

enum class ResetKind : u8 { PowerOn, System };

class Device {
 public:
  virtual ~Device() = default;
  // Unique in its machine; also the name of its claims and of its section in snapshots.
  virtual std::string_view name() const = 0;
  // No vCPU runs.
  virtual void reset(ResetKind kind) = 0;
  // Before save(): waits until nothing is under way on the host, so that the state says all. No vCPU runs.
  virtual Result<void> quiesce() = 0;
  // vCPUs are about to run: what quiesce() or load() has stopped goes on.
  virtual void resume() {}
  virtual void save(snapshot::StateWriter& writer) const = 0;
  // On failure the device is as it was.
  virtual Result<void> load(snapshot::StateReader& reader) = 0;
};

struct DeviceContext {
  bus::Bus& pio;
  bus::Bus& mmio;
  mem::GuestMemory& memory;
  time::Clock& clock;
  Counters& counters;
  irq::Acknowledgements& acknowledgements;
};

}  // namespace tandem::machine
