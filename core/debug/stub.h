// Stub: GDB's remote serial protocol (GDB manual, appendix E) over a Target. It knows bytes, and no socket.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/debug/address.h"
#include "core/debug/monitor.h"
#include "core/debug/packet.h"
#include "core/debug/registers.h"
#include "core/debug/target.h"

namespace tandem::debug {

struct StubOptions {
  std::optional<Arch> arch;    // nothing: by the first vCPU's state when a debugger comes
  bool has_long_mode = true;   // for that
  std::function<void()> kill;  // the debugger wants the guest ended
};

// Stops the machine while a debugger looks at it. Belongs to one thread, as its target.
class Stub {
 public:
  Stub(Target& target, Monitor& monitor, StubOptions options);
  ~Stub() { disconnect(); }

  void connect();     // a debugger has come: everything stops
  void disconnect();  // it has gone: everything goes on as if it never was
  // What it said; gives what to answer.
  std::string receive(std::string_view bytes);
  // The target's wake(): gives the news for the debugger, if there are.
  std::string news();
  // The guest has ended.
  std::string farewell();

 private:
  enum class After : u8 { Stay, Detach };

  std::string packet(std::string_view content);
  std::string answer(std::string_view content);
  std::string query(std::string_view text);
  std::string set_general(std::string_view text);
  std::string transfer(std::string_view text);
  std::string monitor_command(std::string_view hex);
  std::string thread_list() const;
  std::string all_registers();
  std::string write_all_registers(std::string_view hex);
  std::string one_register(std::string_view text);
  std::string write_one_register(std::string_view text);
  std::string read_memory(std::string_view text);
  std::string write_memory(std::string_view text, bool binary);
  std::string select_thread(std::string_view text);
  std::string point(std::string_view text, bool insert);
  std::string continue_or_step(std::string_view text);
  std::string verbose(std::string_view text);
  std::string resume(std::string_view actions);
  std::string go(const std::vector<machine::Motion>& motions);
  std::string stop_reply(const DebugStop& stop);
  std::string describe_hit(const cpu::DebugHit& hit) const;
  bool goes_on_in_range(const DebugStop& stop);

  Target& target_;
  Monitor& monitor_;
  StubOptions options_;
  PacketReader reader_;
  Arch arch_ = Arch::X86_64;
  std::string description_;
  cpu::DebugPoints points_;
  std::vector<u64> hardware_;  // of points_.breakpoints: those asked for as hardware's
  u32 vcpu_ = 0;               // that g, m and their like are about
  u32 continued_ = 0;          // that c and s are about, where all_continue_ is not set
  bool all_continue_ = true;
  bool acks_ = true, swbreak_ = false, physical_ = false, running_ = false, detached_ = false;
  std::string console_;  // packets of text that go before the next answer
  std::string last_sent_, last_stop_;
  // A step that is to go on inside [start, end).
  struct Range {
    u32 vcpu = 0;
    u64 start = 0, end = 0;
  };
  std::optional<Range> range_;
  std::vector<machine::Motion> motions_;
};

}  // namespace tandem::debug
