#include <malloc.h>

#include <string_view>
#include <vector>

#include "core/config/nearest.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/report.h"

namespace tandem::tools {
namespace {

struct Command {
  std::string_view name;
  int (*run)(Arguments);
  std::string_view help;
};

constexpr Command kCommands[] = {
    {"run", run_command, "[FILE.cfg] [--key value]...  runs a guest; --help lists the keys"},
    {"batch", batch_command,
     "SUITE.toml [-j N] [--only REGEX] [--junit FILE] [--json FILE]  runs many guests and reports"},
    {"ctl", ctl_command,
     "NAME VERB [ARGUMENTS]  says a verb to a guest that runs; without a verb, lists them"},
    {"trace", trace_command,
     "FILE [--only POINTS] [--summary] | --list  reads what --trace POINTS:FILE wrote"},
    {"probe", probe_command, "prints what this host can do, and which engine auto takes"},
    {"dis", dis_command,
     "FILE [--bits 16|32|64] [--base ADDRESS] | --guest NAME [ADDRESS] [--count N] [--vcpu N] "
     "[--physical|--code]"
     "  disassembles a flat file, an ELF file, a guest's memory, or what the translator made of it"},
    {"img", img_command, "create|convert|info|check FILE...  makes and looks at disk images"},
};

void print_usage() {
  fmt::print("tandem {}: runs whole x86 PCs\n\n", TANDEM_VERSION);
  for (const Command& c : kCommands) fmt::print("  tandem {:6} {}\n", c.name, c.help);
}

int unknown(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command& c : kCommands) names.push_back(c.name);
  const std::string_view near = config::nearest(word, names);
  say(fmt::format("{}: unknown command{} (tandem --help lists them)", word,
                  near.empty() ? "" : fmt::format(", is {} meant?", near)));
  return kUsage;
}

int dispatch(Arguments arguments) {
  const std::string_view word = arguments.empty() ? "--help" : arguments[0];
  if (word == "--help" || word == "-h" || word == "help")
    return print_usage(), arguments.empty() ? kUsage : kOk;
  if (word == "--version") return fmt::print("tandem {}\n", TANDEM_VERSION), kOk;
  for (const Command& c : kCommands)
    if (c.name == word) return c.run(arguments.subspan(1));
  return unknown(word);
}

// glibc gives each thread a heap that grows by a system call for every few pages, and a vCPU's thread makes
// blocks by the ten thousand. One heap for all grows in large steps.
void prepare_heap() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TOP_PAD, 8 << 20);
  // What is given back is asked for again: by the compiler of tier 2 above all.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

}  // namespace
}  // namespace tandem::tools

int main(int argc, char** argv) {
  tandem::tools::prepare_heap();
  const std::vector<const char*> arguments(argv + (argc > 0), argv + argc);
  return tandem::tools::dispatch(arguments);
}
