// virtio-console with several ports (VIRTIO 1.2, 5.3): consoles, and named ports for programs in the guest.
#pragma once

#include <deque>

#include "devices/backend/char_backend.h"
#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

struct ConsolePort {
  std::string name;  // empty: a console (hvc0 and so on)
  CharBackend* backend;
};

struct ConsolePortState {
  std::vector<u8> input;  // for the guest, which has no room for it yet
  bool open = false;      // a program of the guest has it open
  static void fields(auto& a, auto& s) { a(s.input, s.open); }
};

struct ControlMessage {
  u32 port = 0;
  u16 event = 0, value = 0;
  static void fields(auto& a, auto& s) { a(s.port, s.event, s.value); }
};

class Console final : public Model {
 public:
  // The back ends stay with the caller.
  Console(const machine::DeviceContext& context, std::string name, std::vector<ConsolePort> ports);
  ~Console() override;

  Result<void> quiesce() override;
  void resume() override;

 private:
  class Port final : public CharReceiver {
   public:
    Port(Console& console, unsigned number, const ConsolePort& what)
        : console_(console), number_(number), name(what.name), backend(*what.backend) {}
    size_t room() override;
    void receive(std::span<const u8> bytes) override;
    void writable() override;

   private:
    Console& console_;
    unsigned number_;

   public:
    const std::string name;
    CharBackend& backend;
    ConsolePortState state;
  };

  void kicked(unsigned queue) override;
  void stopped() override;
  void save_own(snapshot::StateWriter& writer) const override;
  std::function<void()> load_own(snapshot::StateReader& reader) override;
  void give_input(unsigned port);
  void take_output(unsigned port);
  void obey(const ControlMessage& message);
  void take_control();
  void send_control();

  std::deque<Port> ports_;
  std::deque<ControlMessage> control_;  // for the guest
  Chain chain_;
  std::vector<u8> bytes_;
};

}  // namespace tandem::devices::virtio
