#include "devices/board/aml.h"

#include "core/base/assert.h"

namespace tandem::devices::aml {

namespace {

Term little(u64 value, unsigned size) {
  Term t;
  for (unsigned i = 0; i < size; ++i) t.push_back(static_cast<char>(value >> (8 * i)));
  return t;
}
Term byte(u64 value) { return little(value, 1); }

// 20.2.4: the length counts its own bytes.
Term sized(const Term& body) {
  const size_t n = body.size();
  if (n + 1 < 0x40) return byte(n + 1) + body;
  for (unsigned extra = 1; extra <= 3; ++extra) {
    const size_t all = n + 1 + extra;
    if (all >> (4 + 8 * extra)) continue;
    return byte(extra << 6 | (all & 15)) + little(all >> 4, extra) + body;
  }
  ensure(false, "an AML package is below 256 MiB");
  return {};
}

Term address_space(u8 tag, unsigned width, u8 type, u8 type_flags, u64 first, u64 last) {
  // 6.4.3.5: minimum and maximum fixed, positive decode, granularity and translation 0.
  const u8 general = 0x0c;
  Term body = byte(type) + byte(general) + byte(type_flags);
  for (u64 v : {u64{0}, first, last, u64{0}, last - first + 1}) body += little(v, width);
  return byte(tag) + little(body.size(), 2) + body;
}

}  // namespace

Term integer(u64 value) {
  if (value == 0) return byte(0x00);
  if (value == 1) return byte(0x01);
  if (value <= 0xff) return byte(0x0a) + little(value, 1);
  if (value <= 0xffff) return byte(0x0b) + little(value, 2);
  if (value <= 0xffffffff) return byte(0x0c) + little(value, 4);
  return byte(0x0e) + little(value, 8);
}

Term text(std::string_view s) { return byte(0x0d) + Term(s) + byte(0); }

Term eisa_id(std::string_view id) {
  ensure(id.size() == 7, "an EISA id has seven characters");
  u32 v = 0;
  for (int i = 0; i < 3; ++i) v = v << 5 | static_cast<u32>(id[i] - '@');
  v = v << 16 | static_cast<u32>(std::stoul(std::string(id.substr(3)), nullptr, 16));
  return byte(0x0c) + little(__builtin_bswap32(v), 4);
}

Term path(std::string_view name) {
  Term out;
  if (name.starts_with('\\')) {
    out = "\\";
    name.remove_prefix(1);
  }
  std::vector<Term> segments;
  while (!name.empty()) {
    const size_t dot = name.find('.');
    Term segment(name.substr(0, dot));
    segment.resize(4, '_');
    segments.push_back(segment);
    name = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
  if (segments.empty()) return out + byte(0);
  if (segments.size() == 2) out += byte(0x2e);
  if (segments.size() > 2) out += byte(0x2f) + byte(segments.size());
  for (const Term& s : segments) out += s;
  return out;
}

Term concat(std::initializer_list<Term> terms) {
  Term out;
  for (const Term& t : terms) out += t;
  return out;
}

Term name(std::string_view n, const Term& value) { return byte(0x08) + path(n) + value; }
Term scope(std::string_view n, const Term& body) { return byte(0x10) + sized(path(n) + body); }
Term device(std::string_view n, const Term& body) { return byte(0x5b) + byte(0x82) + sized(path(n) + body); }
Term method(std::string_view n, unsigned arguments, const Term& body) {
  return byte(0x14) + sized(path(n) + byte(arguments) + body);
}
Term package(const std::vector<Term>& elements) {
  ensure(elements.size() < 256, "an AML package has at most 255 elements");
  Term body = byte(elements.size());
  for (const Term& e : elements) body += e;
  return byte(0x12) + sized(body);
}
Term if_else(const Term& condition, const Term& then, const Term& otherwise) {
  return byte(0xa0) + sized(condition + then) + byte(0xa1) + sized(otherwise);
}
Term give_back(const Term& value) { return byte(0xa4) + value; }
Term store(const Term& value, const Term& to) { return byte(0x70) + value + to; }
Term argument(unsigned n) { return byte(0x68 + n); }

Term resources(std::initializer_list<Term> descriptors) {
  const Term all = concat(descriptors) + byte(0x79) + byte(0);
  return byte(0x11) + sized(integer(all.size()) + all);
}
Term io_ports(u16 first, u8 count) {
  return byte(0x47) + byte(1) + little(first, 2) + little(first, 2) + byte(1) + byte(count);
}
Term irq(unsigned n) { return byte(0x22) + little(u64{1} << n, 2); }
Term dma(unsigned channel) { return byte(0x2a) + byte(u64{1} << channel) + byte(0); }
Term bus_numbers(u16 first, u16 last) { return address_space(0x88, 2, 2, 0, first, last); }
Term io_window(u16 first, u16 last) { return address_space(0x88, 2, 1, 3, first, last); }
Term memory_window(u32 first, u32 last) { return address_space(0x87, 4, 0, 1, first, last); }
// 6.4.3.6: consumer, level, active high, shared.
Term interrupt(u32 gsi) { return byte(0x89) + little(6, 2) + byte(0x09) + byte(1) + little(gsi, 4); }
Term fixed_memory(u32 base, u32 length) {
  return byte(0x86) + little(9, 2) + byte(1) + little(base, 4) + little(length, 4);
}

}  // namespace tandem::devices::aml
