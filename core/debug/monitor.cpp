#include "core/debug/monitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/numbers.h"
#include "core/debug/address.h"
#include "core/debug/packet.h"
#include "core/debug/registers.h"

namespace tandem::debug {

using cpu::CpuState;

namespace {

constexpr std::size_t kMaxText = 128 * KiB;  // of one answer

std::string_view take_word(std::string_view& text) {
  const std::size_t start = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(start);
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return word;
}

// 0x1000, $rsp, $rsp+0x10, $rip-4
std::optional<u64> evaluate(const CpuState& s, std::string_view text) {
  u64 sum = 0;
  char sign = '+';
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("+-"), text.size());
    const std::string_view term = text.substr(0, end);
    const std::optional<u64> v =
        term.starts_with('$') ? value_by_name(s, term.substr(1)) : parse_number(term);
    if (!v) return std::nullopt;
    sum = sign == '+' ? sum + *v : sum - *v;
    if (end == text.size()) return sum;
    sign = text[end];
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::string segment_line(std::string_view name, const cpu::Segment& s) {
  return fmt::format("{:4} {:04x} base {:016x} limit {:08x} type {:x} s {:d} dpl {} p {:d} l {:d} db {:d}\n",
                     name, s.selector, s.base, s.limit, s.type, s.s, s.dpl, s.present, s.l, s.db);
}

std::string rights_of(const MappedPage& p) {
  return fmt::format("{}{}{}{}", p.user ? 'u' : '-', 'r', p.writable ? 'w' : '-', p.executable ? 'x' : '-');
}

std::string bits_set(const u32 (&words)[8]) {
  std::string out;
  for (unsigned vector = 0; vector < 256; ++vector)
    if (words[vector / 32] >> vector % 32 & 1) out += fmt::format(" {:02x}", vector);
  return out.empty() ? " none" : out;
}

std::string_view name_of(cpu::Activity a) {
  switch (a) {
    case cpu::Activity::Running: return "running";
    case cpu::Activity::Halted: return "halted";
    case cpu::Activity::WaitForSipi: return "waits for SIPI";
    case cpu::Activity::Shutdown: return "shut down";
  }
  return "";
}

// What follows x/: count, format, size in bytes.
struct Shape {
  unsigned count = 1;
  char format = 'x';
  unsigned size = 4;
};

std::optional<Shape> parse_shape(std::string_view text) {
  constexpr unsigned kMostItems = 4096;
  Shape shape;
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits) {
    const std::optional<u64> n = parse_number(text.substr(0, digits));
    if (!n || *n == 0 || *n > kMostItems) return std::nullopt;
    shape.count = static_cast<unsigned>(*n);
  }
  for (const char c : text.substr(digits)) switch (c) {
      case 'b': shape.size = 1; break;
      case 'h': shape.size = 2; break;
      case 'w': shape.size = 4; break;
      case 'g': shape.size = 8; break;
      case 'x':
      case 'd':
      case 'i': shape.format = c; break;
      default: return std::nullopt;
    }
  return shape;
}

}  // namespace

Monitor::Monitor(Target& target) : target_(target) {
  add("help", "lists the commands", [this](auto) { return help(); });
  add("info", "registers | mem | tlb | mtree | irq | cpus, or a command that is told nothing",
      [this](auto words) { return info(words); });
  add("code", "ADDRESS: what the engine made of the guest's code there",
      [this](auto words) { return show_code(words); });
}

void Monitor::add(std::string name, std::string help_text, Command command) {
  commands_[std::move(name)] = {std::move(help_text), std::move(command)};
}

std::string Monitor::help() const {
  std::string out;
  for (const auto& [name, row] : commands_) out += fmt::format("{} {}\n", name, row.help);
  return out +
         "x/COUNTFORMATSIZE ADDRESS   linear memory; xp/ physical; format x, d, i; size b, h, w, g; "
         "ADDRESS: 0x1000, $rsp+8\n"
         "vcpu N COMMAND   for another vCPU than the one that the debugger looked at last\n";
}

std::string Monitor::execute(std::string_view line, u32 vcpu) {
  vcpu_ = vcpu;
  std::string_view name = take_word(line);
  if (name == "vcpu") {
    const std::optional<u64> n = parse_number(take_word(line));
    if (!n || *n >= target_.vcpu_count()) return "vcpu N COMMAND\n";
    vcpu_ = static_cast<u32>(*n);
    name = take_word(line);
  }
  for (const bool physical : {false, true})
    if (std::string_view shape = name;
        take(shape, physical ? "xp" : "x") && (shape.empty() || take(shape, "/")))
      return examine(shape, line, physical);
  const auto found = commands_.find(name);
  if (found == commands_.end()) return fmt::format("{}: unknown, see monitor help\n", name);
  return found->second.command(line);
}

std::string Monitor::info(std::string_view words) {
  const std::string_view what = take_word(words);
  if (what == "registers") return show_registers();
  if (what == "mem") return show_pages(true);
  if (what == "tlb") return show_pages(false);
  if (what == "mtree") return show_memory_tree();
  if (what == "irq") return show_interrupts();
  if (what == "cpus") return show_vcpus();
  if (const auto found = commands_.find(what); found != commands_.end() && what != "info")
    return found->second.command("");
  return "info registers | mem | tlb | mtree | irq | cpus\n";
}

std::string Monitor::show_registers() {
  const CpuState s = target_.state(vcpu_);
  std::string out = fmt::format("vCPU {}\n", vcpu_);
  static constexpr std::string_view kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  for (unsigned i = 0; i < 16; ++i)
    out += fmt::format("{:3} {:016x}{}", kNames[i], s.gpr[i], i % 4 == 3 ? '\n' : ' ');
  out += fmt::format("rip {:016x} rflags {:08x} {}\n", s.rip, s.rflags, name_of(s.activity));
  static constexpr std::string_view kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < cpu::kSegmentCount; ++i) out += segment_line(kSegments[i], s.segments[i]);
  out += segment_line("ldtr", s.ldtr) + segment_line("tr", s.tr);
  out += fmt::format("gdtr {:016x} {:04x}  idtr {:016x} {:04x}\n", s.gdtr.base, s.gdtr.limit, s.idtr.base,
                     s.idtr.limit);
  out += fmt::format("cr0 {:08x} cr2 {:016x} cr3 {:016x} cr4 {:08x} cr8 {:x}\n", s.cr0, s.cr2, s.cr3, s.cr4,
                     s.lapic.tpr >> 4);
  out += fmt::format("efer {:x} xcr0 {:x} dr6 {:x} dr7 {:x}{}\n", s.efer, s.xcr0, s.dr[6], s.dr[7],
                     s.events.in_smm ? " in SMM" : "");
  return out;
}

// merged: neighbours of equal rights as one range, else each page with what it leads to.
std::string Monitor::show_pages(bool merged) {
  const CpuState s = target_.state(vcpu_);
  if (!(s.cr0 & cpu::kCr0Pg)) return "paging is off\n";
  std::string out;
  MappedPage range;
  const auto flush = [&] {
    if (range.size)
      out += fmt::format("{:016x}-{:016x} {:12x} {}\n", range.linear, range.linear + range.size - 1,
                         range.size, rights_of(range));
  };
  target_.look([&] {
    for_each_page(s, target_.machine().memory(), [&](const MappedPage& p) {
      if (!merged) {
        out += fmt::format("{:016x} -> {:012x} {:>8x} {}{}{}{}\n", p.linear, p.physical, p.size, rights_of(p),
                           p.global ? 'g' : '-', p.accessed ? 'a' : '-', p.dirty ? 'd' : '-');
      } else if (range.size && range.linear + range.size == p.linear && rights_of(range) == rights_of(p)) {
        range.size += p.size;
      } else {
        flush();
        range = p;
      }
      return out.size() < kMaxText;
    });
  });
  if (merged) flush();
  return out.size() < kMaxText ? out : out + "(more is not shown)\n";
}

std::string Monitor::show_memory_tree() {
  machine::Machine& m = target_.machine();
  const mem::GuestMemory& memory = m.memory();
  std::string out = fmt::format("memory\n  {:012x}-{:012x} RAM\n", 0, memory.low_size() - 1);
  if (memory.high_size())
    out += fmt::format("  {:012x}-{:012x} RAM\n", mem::kHighRamStart,
                       mem::kHighRamStart + memory.high_size() - 1);
  const auto claims = [&](const bus::Bus& bus) {
    for (const bus::ClaimInfo& c : bus.claims())
      out +=
          fmt::format("  {:012x}-{:012x} {}\n", c.range.start, c.range.start + c.range.length - 1, c.owner);
  };
  claims(m.mmio());
  out += "ports\n";
  claims(m.pio());
  return out;
}

std::string Monitor::show_interrupts() {
  std::string out;
  for (u32 i = 0; i < target_.vcpu_count(); ++i) {
    const cpu::LapicState l = target_.state(i).lapic;
    out +=
        fmt::format("vCPU {} local APIC {}: tpr {:02x} svr {:03x} timer {:08x} lint0 {:08x} lint1 {:08x}\n",
                    i, l.id, l.tpr, l.svr, l.lvt_timer, l.lvt_lint0, l.lvt_lint1);
    out += fmt::format("  requested{}\n  in service{}\n", bits_set(l.irr), bits_set(l.isr));
  }
  if (const auto chips = commands_.find("irqchips"); chips != commands_.end())
    out += chips->second.command("");
  return out;
}

std::string Monitor::show_vcpus() {
  std::string out;
  for (u32 i = 0; i < target_.vcpu_count(); ++i) {
    const CpuState s = target_.state(i);
    out += fmt::format("{} {} pc {:#x} {}\n", i == vcpu_ ? '*' : ' ', i, linear_pc(s), name_of(s.activity));
  }
  return out;
}

std::string Monitor::show_code(std::string_view address_text) {
  const CpuState s = target_.state(vcpu_);
  const std::optional<u64> address = evaluate(s, address_text);
  if (!address) return "code ADDRESS\n";
  const std::string text = target_.look([&]() -> std::string {
    machine::Machine& m = target_.machine();
    const std::optional<MappedPage> page = find_page(s, m.memory(), *address);
    if (!page) return "not mapped\n";
    return m.vcpu(vcpu_).code_text(Gpa{page->physical + (*address & (page->size - 1))});
  });
  return text.empty() ? "the engine has nothing of it\n" : text;
}

std::string Monitor::examine(std::string_view shape_text, std::string_view address_text, bool physical) {
  const CpuState s = target_.state(vcpu_);
  const std::optional<Shape> shape = parse_shape(shape_text);
  const std::optional<u64> address = evaluate(s, address_text);
  if (!shape || !address) return "x/COUNTFORMATSIZE ADDRESS\n";
  const Memory memory(s, target_.machine().memory(), physical);
  const auto read = [&](u64 at, std::span<u8> to) {
    return target_.look([&] { return memory.read(at, to); });
  };
  if (shape->format == 'i') return disassemble(s, *address, shape->count, read);
  std::string out;
  const unsigned per_line = 16 / shape->size;
  for (unsigned i = 0; i < shape->count; ++i) {
    const u64 at = *address + u64{i} * shape->size;
    u64 value = 0;
    u8 bytes[8] = {};
    if (read(at, std::span(bytes, shape->size)) < shape->size)
      return out + fmt::format("{}{:#x}: not mapped\n", i ? "\n" : "", at);
    std::copy_n(bytes, 8, reinterpret_cast<u8*>(&value));
    if (i % per_line == 0) out += fmt::format("{}{:#x}:", i ? "\n" : "", at);
    if (shape->format == 'd')
      out += fmt::format(" {}", static_cast<i64>(value << (64 - 8 * shape->size)) >> (64 - 8 * shape->size));
    else out += fmt::format(" 0x{:0{}x}", value, 2 * shape->size);
  }
  return out + "\n";
}

}  // namespace tandem::debug
