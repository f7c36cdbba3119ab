// The bus-master part of one IDE channel (Programming Interface for Bus Master IDE Controller, 1.0).
#pragma once

#include "core/bus/io.h"
#include "devices/storage/dma_list.h"

namespace tandem::devices {

struct BusMasterState {
  u8 command = 0, status = 0;
  u32 table = 0;
  static void fields(auto& a, auto& s) { a(s.command, s.status, s.table); }
};

// Its channel's lock guards it.
class BusMaster {
 public:
  static constexpr u8 kStart = 1, kActive = 1, kError = 2, kInterrupt = 4;

  u8 read(u64 offset) const;
  // What a write asks of the channel.
  enum class Request : u8 { None, Start, Stop };
  Request write(u64 offset, u8 value);

  bool started() const { return state_.command & kStart; }
  void interrupt() { state_.status |= kInterrupt; }
  // At the end of a transfer. `left`: regions remain, so that the master goes on.
  void finish(bool left);
  void fail();
  // Up to `length` bytes of the regions of the table; false: the table is no memory, or list.add() says so.
  // more: the table goes on behind them.
  bool gather(const mem::GuestMemory& memory, u64 length, DmaDirection direction, DmaList& list,
              bool& more) const;

  void reset() { state_ = {}; }
  const BusMasterState& state() const { return state_; }
  void set_state(const BusMasterState& state) { state_ = state; }

 private:
  BusMasterState state_;
};

}  // namespace tandem::devices
