// 16550A UART. Bytes take no time on the line: what the guest writes goes to the back end at once.
#pragma once

#include <deque>
#include <mutex>
#include <string>

#include "core/irq/line.h"
#include "core/machine/device.h"
#include "devices/backend/char_backend.h"

namespace tandem::devices {

struct UartState {
  u8 ier = 0, fcr = 0, lcr = 0, mcr = 0, msr = 0, scratch = 0;
  u8 lsr_errors = 0;
  u16 divisor = 12;
  bool transmit_pending = false;  // the holding register became empty and nobody was told
  u32 idle_polls = 0;             // reads of LSR without any output between: the guest waits for input
  std::vector<u8> received;
  static void fields(auto& a, auto& s) {
    a(s.ier, s.fcr, s.lcr, s.mcr, s.msr, s.scratch, s.lsr_errors, s.divisor, s.transmit_pending, s.idle_polls,
      s.received);
  }
  bool valid() const { return received.size() <= 16; }
};

class Uart final : public machine::Device, public bus::IoHandler, private CharReceiver {
 public:
  // backend may be null: nothing is connected.
  Uart(std::string name, irq::LevelIrq irq, CharBackend* backend);
  ~Uart() override;

  void io(bus::IoAccess& access) override;  // 8 ports

  std::string_view name() const override { return name_; }
  void reset(machine::ResetKind kind) override;
  Result<void> quiesce() override;
  void save(snapshot::StateWriter& writer) const override;
  Result<void> load(snapshot::StateReader& reader) override;

 private:
  size_t room() override;
  void receive(std::span<const u8> bytes) override;
  void writable() override;

  u8 read_reg(u64 offset);
  void write_reg(u64 offset, u8 value);
  void write_fifo_control(u8 value);
  void write_modem_control(u8 value);
  void transmit(u8 value);
  u8 read_data();
  void take_received(u8 value);
  u8 interrupt_id() const;
  u8 line_status() const;
  void update_modem_status();
  void update_irq();
  size_t room_locked() const;
  bool fifos() const { return state_.fcr & 1; }
  size_t receive_size() const { return fifos() ? 16 : 1; }
  bool can_transmit() const { return !backend_ || backend_->can_write(); }

  std::string name_;
  irq::LevelIrq irq_;
  CharBackend* backend_;
  mutable std::mutex mutex_;
  UartState state_;
};

}  // namespace tandem::devices
