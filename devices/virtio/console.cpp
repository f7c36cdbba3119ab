#include "devices/virtio/console.h"

#include <algorithm>

namespace tandem::devices::virtio {

namespace {

constexpr u64 kMultiport = 1 << 1;
constexpr u64 kPortCount = 4;  // in the configuration
enum Event : u16 {
  kDeviceReady = 0,
  kPortAdd = 1,
  kPortReady = 3,
  kConsolePort = 4,
  kPortOpen = 6,
  kPortName = 7,
};
constexpr unsigned kControlIn = 2, kControlOut = 3;
constexpr u64 kMessage = 8;
constexpr u16 kQueueSize = 64;
constexpr std::size_t kMaxControl = 1024;  // messages that the driver leaves waiting
constexpr std::size_t kInputRoom = 4 * KiB, kOutputPiece = 16 * KiB;

// 5.3.2: port 0 has the first two queues, the control queues follow, then the other ports.
unsigned input_queue(unsigned port) { return port == 0 ? 0 : 2 + 2 * port; }
unsigned port_of(unsigned queue) { return queue < 2 ? 0 : queue / 2 - 1; }

}  // namespace

Console::Console(const machine::DeviceContext& context, std::string name, std::vector<ConsolePort> ports)
    : Model(context, {DeviceType::Console, std::move(name), 0x078000}, kMultiport,
            std::vector<u16>(2 + 2 * ports.size(), kQueueSize)) {
  set_config(kPortCount, static_cast<u32>(ports.size()));
  for (unsigned i = 0; i < ports.size(); ++i) ports_.emplace_back(*this, i, ports[i]);
}

Console::~Console() { std::ignore = quiesce(); }

Result<void> Console::quiesce() {
  for (Port& p : ports_) p.backend.attach(nullptr);
  return {};
}

void Console::resume() {
  Model::resume();
  for (Port& p : ports_) p.backend.attach(&p);
}

size_t Console::Port::room() {
  const auto held = console_.lock();
  return kInputRoom - std::min(state.input.size(), kInputRoom);
}

void Console::Port::receive(std::span<const u8> bytes) {
  const auto held = console_.lock();
  state.input.insert(state.input.end(), bytes.begin(), bytes.end());
  console_.give_input(number_);
}

void Console::Port::writable() {
  const auto held = console_.lock();
  console_.take_output(number_);
}

void Console::kicked(unsigned queue) {
  if (queue == kControlIn) return send_control();
  if (queue == kControlOut) return take_control();
  const unsigned port = port_of(queue);
  if (queue != input_queue(port)) return take_output(port);
  give_input(port);
  ports_[port].backend.input_wanted();
}

// Input for a port that nobody has open waits.
void Console::give_input(unsigned port) {
  std::vector<u8>& input = ports_[port].state.input;
  if (has(kMultiport) && !ports_[port].state.open) return;
  const unsigned queue = input_queue(port);
  while (!input.empty() && take(queue, chain_)) {
    const u64 n = std::min<u64>(input.size(), chain_.to_write);
    scatter(chain_.writable, 0, std::span(input).first(n));
    complete(queue, chain_, static_cast<u32>(n));
    input.erase(input.begin(), input.begin() + static_cast<i64>(n));
  }
}

void Console::take_output(unsigned port) {
  const unsigned queue = input_queue(port) + 1;
  CharBackend& backend = ports_[port].backend;
  while (backend.can_write() && take(queue, chain_)) {
    for (u64 done = 0; done < chain_.to_read; done += bytes_.size()) {
      bytes_.resize(std::min<u64>(chain_.to_read - done, kOutputPiece));
      gather(bytes_, chain_.readable, done);
      backend.write(bytes_);
    }
    complete(queue, chain_, 0);
  }
}

void Console::take_control() {
  while (take(kControlOut, chain_)) {
    u8 bytes[kMessage] = {};
    gather(bytes, chain_.readable, 0);
    const bool whole = chain_.to_read >= kMessage;
    complete(kControlOut, chain_, 0);
    if (whole) obey({load_le<u32>(bytes), load_le<u16>(bytes + 4), load_le<u16>(bytes + 6)});
  }
  send_control();
}

// 5.3.6.2
void Console::obey(const ControlMessage& m) {
  if (control_.size() > kMaxControl) return fail();
  if (m.event == kDeviceReady && m.value == 1)
    for (u32 i = 0; i < ports_.size(); ++i) control_.push_back({i, kPortAdd, 1});
  if (m.port >= ports_.size()) return;
  Port& port = ports_[m.port];
  if (m.event == kPortReady && m.value == 1) {
    control_.push_back(port.name.empty() ? ControlMessage{m.port, kConsolePort, 1}
                                         : ControlMessage{m.port, kPortName, 1});
    control_.push_back({m.port, kPortOpen, 1});
  }
  if (m.event != kPortOpen) return;
  port.state.open = m.value;
  give_input(m.port);
}

void Console::send_control() {
  while (!control_.empty() && take(kControlIn, chain_)) {
    const ControlMessage m = control_.front();
    control_.pop_front();
    bytes_.resize(kMessage);
    store_le(&bytes_[0], m.port);
    store_le(&bytes_[4], m.event);
    store_le(&bytes_[6], m.value);
    if (m.event == kPortName) {
      const std::string& name = ports_[m.port].name;
      bytes_.insert(bytes_.end(), name.begin(), name.end());
    }
    const u64 n = std::min<u64>(bytes_.size(), chain_.to_write);
    scatter(chain_.writable, 0, std::span(bytes_).first(n));
    complete(kControlIn, chain_, static_cast<u32>(n));
  }
}

void Console::stopped() {
  control_.clear();
  for (Port& p : ports_) p.state.open = false;
}

void Console::save_own(snapshot::StateWriter& writer) const {
  writer(std::vector(control_.begin(), control_.end()));
  for (const Port& p : ports_) writer(p.state);
}

std::function<void()> Console::load_own(snapshot::StateReader& reader) {
  std::vector<ControlMessage> control;
  std::vector<ConsolePortState> ports(ports_.size());
  reader(control);
  for (ConsolePortState& p : ports) reader(p);
  for (const ControlMessage& m : control) reader.check(m.port < ports_.size(), "a port");
  return [this, control, ports] {
    control_.assign(control.begin(), control.end());
    for (unsigned i = 0; i < ports.size(); ++i) ports_[i].state = ports[i];
  };
}

}  // namespace tandem::devices::virtio
