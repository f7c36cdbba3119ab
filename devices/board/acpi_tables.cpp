#include "devices/board/acpi_tables.h"

#include <numeric>
#include <string>

#include "core/base/bits.h"
#include "devices/board/dsdt.h"
#include "devices/board/memory_map.h"

namespace tandem::devices {

namespace {

using Bytes = std::vector<u8>;

u8 checksum(const u8* p, size_t n) { return static_cast<u8>(-std::accumulate(p, p + n, 0)); }

// Bytes written in order, or patched at an offset.
struct Table {
  Bytes bytes;
  bool has_header = true;
  // ACPI 6.4, 5.2.6 "System description table header".
  Table(const char* signature, u8 revision) {
    text(signature);
    value(0, 4);
    value(revision, 1);
    value(0, 1);
    text("TANDEM");
    text("TANDEMPC");
    value(1, 4);
    text("TNDM");
    value(1, 4);
  }
  Table() : has_header(false) {}
  void text(const char* s) {
    while (*s) bytes.push_back(static_cast<u8>(*s++));
  }
  void value(u64 v, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes.push_back(static_cast<u8>(v >> (8 * i)));
  }
  // 5.2.3.2 "Generic address structure"
  void address(u8 space, u8 width, u64 at) {
    value(space, 1);
    value(width, 1);
    value(0, 1);
    value(0, 1);
    value(at, 8);
  }
  void patch(size_t offset, u64 v, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes[offset + i] = static_cast<u8>(v >> (8 * i));
  }
  void patch_port(size_t offset, u8 width, u64 port) {
    patch(offset, 1 | u64{width} << 8, 4);
    patch(offset + 4, port, 8);
  }
};

// Puts tables behind each other, and notes what depends on where they lie.
class Placer {
 public:
  static constexpr unsigned kAlignment = 64;

  u64 place(Table table, std::initializer_list<std::pair<size_t, u8>> pointers = {}) {
    if (table.has_header) table.patch(4, table.bytes.size(), 4);
    out_.tables.resize(align_up(out_.tables.size(), kAlignment));
    const u32 at = static_cast<u32>(out_.tables.size());
    out_.tables.insert(out_.tables.end(), table.bytes.begin(), table.bytes.end());
    for (const auto& [offset, size] : pointers)
      out_.pointers.push_back({false, at + static_cast<u32>(offset), size});
    if (table.has_header) out_.checksums.push_back({false, at + 9, at, static_cast<u32>(table.bytes.size())});
    return at;
  }
  // 5.2.7, 5.2.8: tables that are a list of pointers.
  u64 place_list(const char* signature, u8 size, std::initializer_list<u64> entries) {
    Table table(signature, 1);
    const size_t first = table.bytes.size();
    for (u64 e : entries) table.value(e, size);
    const u64 at = place(table);
    for (size_t i = 0; i < entries.size(); ++i)
      out_.pointers.push_back({false, static_cast<u32>(at + first + i * size), size});
    return at;
  }
  void root(const Bytes& rsdp) {
    out_.rsdp = rsdp;
    out_.pointers.insert(out_.pointers.end(), {{true, 16, 4}, {true, 24, 8}});
    out_.checksums.insert(out_.checksums.end(), {{true, 8, 0, 20}, {true, 32, 0, 36}});
  }
  AcpiTables take() { return std::move(out_); }

 private:
  AcpiTables out_;
};

// 5.2.9 "Fixed ACPI description table", revision 3.
Table fadt(u64 facs, u64 dsdt, u16 pm) {
  constexpr u32 kWbinvd = 1u << 0, kC1 = 1u << 2, kNoSleepButton = 1u << 5, kNoFixedRtc = 1u << 6,
                kResetReg = 1u << 10;
  Table t("FACP", 3);
  t.bytes.resize(244);
  t.patch(36, facs, 4);
  t.patch(40, dsdt, 4);
  t.patch(46, kSciIrq, 2);
  t.patch(56, pm, 4);         // PM1a_EVT_BLK
  t.patch(64, pm + 4u, 4);    // PM1a_CNT_BLK
  t.patch(76, pm + 8u, 4);    // PM_TMR_BLK
  t.patch(80, pm + 0xcu, 4);  // GPE0_BLK
  t.patch(88, 4, 1);
  t.patch(89, 2, 1);
  t.patch(91, 4, 1);
  t.patch(92, 4, 1);
  t.patch(96, 0xfff, 2);  // no C2
  t.patch(98, 0xfff, 2);  // no C3
  t.patch(108, 0x32, 1);  // RTC century
  t.patch(109, 3, 2);     // ISA devices, 8042
  t.patch(112, kWbinvd | kC1 | kNoSleepButton | kNoFixedRtc | kResetReg, 4);
  t.patch_port(116, 8, kResetControlPort);
  t.patch(128, 6, 1);  // RESET_VALUE
  t.patch(132, facs, 8);
  t.patch(140, dsdt, 8);
  t.patch_port(148, 32, pm);
  t.patch_port(172, 16, pm + 4u);
  t.patch_port(208, 32, pm + 8u);
  t.patch_port(220, 32, pm + 0xcu);
  return t;
}

// 5.2.12 "Multiple APIC description table"
Table madt(u32 vcpus) {
  Table t("APIC", 3);
  t.value(kLapicBase, 4);
  t.value(1, 4);  // there is an 8259 pair too
  for (u32 i = 0; i < vcpus; ++i) {
    t.value(0 | 8 << 8, 2);
    t.value(i, 1);
    t.value(i, 1);
    t.value(1, 4);
  }
  t.value(1 | 12 << 8, 2);
  t.value(0, 2);
  t.value(kIoapicBase, 4);
  t.value(0, 4);
  const auto override_irq = [&](u8 source, u32 gsi, u16 flags) {
    t.value(2 | 10 << 8, 2);
    t.value(0, 1);
    t.value(source, 1);
    t.value(gsi, 4);
    t.value(flags, 2);
  };
  override_irq(0, 2, 0);
  override_irq(kSciIrq, kSciIrq, 0x000d);  // active high, level
  t.value(4 | 6 << 8, 2);                  // NMI at LINT1 of all
  t.value(0xff, 1);
  t.value(0, 2);
  t.value(1, 1);
  return t;
}

// IA-PC HPET specification 1.0a, 3.2.4
Table hpet() {
  Table t("HPET", 1);
  t.value(0x8086a201, 4);
  t.address(0, 64, kHpetBase);
  t.value(0, 1);
  t.value(100, 2);
  t.value(0, 1);
  return t;
}

Table facs() {
  constexpr unsigned kSize = 64;
  Table t;
  t.text("FACS");
  t.value(kSize, 4);
  t.bytes.resize(kSize);
  t.patch(32, 1, 1);  // version
  return t;
}

// 5.2.5.3, revision 2
Bytes rsdp(u64 rsdt, u64 xsdt) {
  Table t;
  t.text("RSD PTR ");
  t.value(0, 1);
  t.text("TANDEM");
  t.value(2, 1);
  t.value(rsdt, 4);
  t.value(36, 4);
  t.value(xsdt, 8);
  t.value(0, 4);
  return t.bytes;
}

}  // namespace

AcpiTables build_acpi_tables(const AcpiConfig& config) {
  Placer placer;
  Table dsdt("DSDT", 2);
  for (char c : build_dsdt_body(config)) dsdt.bytes.push_back(static_cast<u8>(c));
  const u64 dsdt_at = placer.place(dsdt);
  const u64 facs_at = placer.place(facs());
  const u64 fadt_at =
      placer.place(fadt(facs_at, dsdt_at, config.pm_base), {{36, 4}, {40, 4}, {132, 8}, {140, 8}});
  const u64 madt_at = placer.place(madt(config.vcpus));
  const u64 hpet_at = placer.place(hpet());
  const u64 rsdt_at = placer.place_list("RSDT", 4, {fadt_at, madt_at, hpet_at});
  const u64 xsdt_at = placer.place_list("XSDT", 8, {fadt_at, madt_at, hpet_at});
  placer.root(rsdp(rsdt_at, xsdt_at));
  return placer.take();
}

std::vector<u8> acpi_image(AcpiTables tables, u64 base) {
  const u64 start = base + Placer::kAlignment;  // behind the RSDP
  const auto part = [&](bool in_rsdp) { return in_rsdp ? tables.rsdp.data() : tables.tables.data(); };
  for (const auto& p : tables.pointers) {
    u8* field = part(p.in_rsdp) + p.at;
    if (p.size == 4) store_le(field, static_cast<u32>(load_le<u32>(field) + start));
    else store_le(field, load_le<u64>(field) + start);
  }
  for (const auto& c : tables.checksums)
    part(c.in_rsdp)[c.at] = checksum(part(c.in_rsdp) + c.start, c.length);
  Bytes all = tables.rsdp;
  all.resize(Placer::kAlignment);
  all.insert(all.end(), tables.tables.begin(), tables.tables.end());
  return all;
}

}  // namespace tandem::devices
