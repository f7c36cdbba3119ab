// What "monitor" says in a debugger: commands about the machine, answered in text.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/debug/target.h"

namespace tandem::debug {

class Monitor {
 public:
  // words: what follows the command's name. Gives text that ends in a line end.
  using Command = std::function<std::string(std::string_view words)>;

  explicit Monitor(Target& target);
  // One of the tool that runs the machine.
  void add(std::string name, std::string help, Command command);
  // vcpu: that the debugger looks at. Only while the target stands still.
  std::string execute(std::string_view line, u32 vcpu);

 private:
  struct Row {
    std::string help;
    Command command;
  };
  std::string help() const;
  std::string info(std::string_view words);
  std::string show_registers();
  std::string show_pages(bool merged);
  std::string show_memory_tree();
  std::string show_interrupts();
  std::string show_vcpus();
  std::string show_code(std::string_view address);
  std::string examine(std::string_view shape, std::string_view address, bool physical);

  Target& target_;
  std::map<std::string, Row, std::less<>> commands_;
  u32 vcpu_ = 0;
};

// Disassembles `count` instructions as x/i does. read: bytes at an address, as far as they are there.
std::string disassemble(const cpu::CpuState& state, u64 address, unsigned count,
                        const std::function<std::size_t(u64, std::span<u8>)>& read);

}  // namespace tandem::debug
