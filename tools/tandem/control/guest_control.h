// GuestControl: the verbs of a running PC.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/config/settings.h"
#include "devices/board/pc.h"
#include "tools/tandem/control/verbs.h"
#include "tools/tandem/display/clipboard.h"
#include "tools/tandem/engines.h"
#include "tools/tandem/gdb/gdb_server.h"

namespace tandem::tools {

class GuestControl {
 public:
  // clipboard: null where it is not shared. quit: ends the run. All outlive this.
  GuestControl(devices::Pc& pc, const config::Settings& settings, EngineMaker& maker, Clipboard* clipboard,
               std::function<void()> quit);

  // One request at a time. [any-thread]
  Json execute(std::string_view line);
  Json execute(const Json& request) { return execute(std::string_view(request.dump())); }
  // Debuggers may come there, and nowhere else. With `paused`, the machine stands still until one has come.
  Result<Json> start_gdb(const GdbAddress& address);
  // No debugger holds the machine, and none comes, afterwards.
  void stop_gdb() { gdb_.reset(); }
  Clipboard* clipboard() { return clipboard_; }

 private:
  Verbs verbs();
  Result<Json> status();
  Result<Json> pause();
  Result<Json> resume();
  std::string engine_name();
  Result<cpu::Engine*> engine_of(const std::string& name);
  Result<Json> engine(const Json& request);
  Result<Json> screenshot(const Json& request);
  Result<Json> statistics();
  Result<Json> gdb(const Json& request);
  Result<Json> monitor(const Json& request);
  void add_monitor_commands(debug::Monitor& monitor);
  Result<std::string> switch_engine(const std::string& name);
  Result<Json> change_cd(const Json& request);
  Result<Json> clipboard(const Json& request);
  Result<Json> forward(const Json& request);
  Result<Json> balloon(const Json& request);
  Result<Json> display_size(const Json& request);

  devices::Pc& pc_;
  const config::Settings& settings_;
  EngineMaker& maker_;
  Clipboard* clipboard_;
  std::function<void()> quit_;
  std::mutex verbs_mutex_;
  Verbs verbs_;
  std::mutex engines_mutex_;                                     // a debugger may switch them too
  std::map<std::string, std::unique_ptr<cpu::Engine>> engines_;  // that the guest was switched to, by name
  std::optional<machine::Machine::Hold> pause_;
  std::map<std::string, std::string> cds_;  // drives for discs, and what is in them
  std::unique_ptr<GdbServer> gdb_;
};

}  // namespace tandem::tools
