#include "tools/bench/workloads/c_source.h"

#include <array>
#include <random>

namespace tandem::bench {

namespace {

class Writer {
 public:
  explicit Writer(std::uint64_t seed) : random_(seed) {}

  std::string write(unsigned functions) {
    out_ = "struct node { unsigned key, value; unsigned char tag[8]; struct node *next; };\n";
    for (unsigned i = 0; i < functions; ++i) function(i);
    out_ += "unsigned run(unsigned x) { return f" + std::to_string(functions - 1) + "(x, ~x); }\n";
    return std::move(out_);
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::string number(std::uint64_t limit) { return std::to_string(below(limit)); }

  std::string variable() {
    static constexpr std::array kNames = {
        "a", "b", "c", "d", "list[i & 15].key", "list[a & 15].value", "list[b & 15].tag[i & 7]"};
    return kNames[below(kNames.size())];
  }

  std::string expression(unsigned depth) {
    // Unsigned, so that nothing overflows.
    if (depth == 0) return below(3) ? "(" + variable() + " + 0u)" : number(1u << 30) + "u";
    const std::string left = expression(depth - 1), right = expression(below(depth));
    switch (below(8)) {
      case 0: return "(" + left + " + " + right + ")";
      case 1: return "(" + left + " - " + right + ")";
      case 2: return "(" + left + " * " + right + ")";
      case 3: return "(" + left + " ^ " + right + ")";
      case 4: return "(" + left + " >> (" + right + " & 31))";
      case 5: return "(" + left + " / (" + right + " | 1))";
      case 6: return "(" + left + " < " + right + " ? " + variable() + " : " + number(1000) + ")";
      default: return "(" + left + " & ~" + right + ")";
    }
  }

  void assign() { out_ += "    " + variable() + " = " + expression(1 + below(3)) + ";\n"; }

  void choose() {
    out_ += "    switch (" + expression(1) + " % 5) {\n";
    for (unsigned n = 0; n < 4; ++n) {
      out_ += "    case " + std::to_string(n) + ":\n  ";
      assign();
      if (below(4)) out_ += "      break;\n";
    }
    out_ += "    default: d++;\n    }\n";
  }

  void decide() {
    out_ += "    if (" + expression(2) + " > " + variable() + " && " + variable() + " != c) {\n  ";
    assign();
    out_ += "    } else {\n  ";
    assign();
    out_ += "    }\n";
  }

  void walk() {
    out_ +=
        "    for (p = &list[" + number(16) + "]; p; p = p->next) b += p->key ^ p->tag[" + number(8) + "];\n";
  }

  void function(unsigned index) {
    out_ += "static unsigned f" + std::to_string(index) + "(unsigned a, unsigned b)\n{\n";
    out_ += "  unsigned i, c = a ^ b, d = " + number(1u << 30) + "u;\n  struct node list[16], *p;\n";
    out_ += "  for (i = 0; i < 16; i++) {\n    unsigned k;\n    list[i].key = a + i * " + number(1u << 30) +
            "u;\n    list[i].value = b ^ i;\n    list[i].next = i < 15 ? &list[i + 1] : 0;\n"
            "    for (k = 0; k < 8; k++) list[i].tag[k] = k * a;\n  }\n";
    if (index) out_ += "  c += f" + number(index) + "(b, d);\n";
    out_ += "  for (i = 0; i < " + std::to_string(2 + below(6)) + "; i++) {\n";
    for (unsigned n = 0; n < 7; ++n) {
      switch (below(8)) {
        case 0: choose(); break;
        case 1: decide(); break;
        case 2: walk(); break;
        default: assign();
      }
    }
    out_ += "  }\n  return a ^ b ^ c ^ d;\n}\n";
  }

  std::mt19937_64 random_;
  std::string out_;
};

}  // namespace

std::string c_source(std::uint64_t seed, unsigned functions) { return Writer(seed).write(functions); }

}  // namespace tandem::bench
