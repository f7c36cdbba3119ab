// GdbServer: lets one debugger after the other come to a guest, by TCP or a Unix socket.
#pragma once

#include <memory>
#include <thread>

#include "core/debug/stub.h"
#include "tools/tandem/gdb/gdb_address.h"

namespace tandem::tools {

class GdbServer {
 public:
  // Error: the address can't be listened on.
  static Result<std::unique_ptr<GdbServer>> listen(const GdbAddress& address);
  ~GdbServer();

  // Debuggers are served from now on, on a thread of its own. With `paused`, the machine is held from here
  // until the first of them lets it go on. commands: adds to what "monitor" knows.
  void serve(machine::Machine& machine, debug::StubOptions options,
             const std::function<void(debug::Monitor&)>& commands);
  // Tells the debugger that the guest has ended, and lets go of the machine.
  void stop();
  std::string place() const;  // where it listens: with the port that the host chose for 0

 private:
  GdbServer(GdbAddress address, int listener);
  void run();
  void accept_debugger();
  void drop_debugger();
  void receive();
  void say(const std::string& text);
  void wake();

  GdbAddress address_;
  int listener_, wake_, client_ = -1;
  std::atomic<bool> ending_ = false;
  std::unique_ptr<debug::Target> target_;
  std::unique_ptr<debug::Monitor> monitor_;
  std::unique_ptr<debug::Stub> stub_;
  std::thread thread_;
};

}  // namespace tandem::tools
