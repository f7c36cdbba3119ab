#include "devices/board/pc.h"

#include <bit>
#include <chrono>

#include "devices/board/interrupt_text.h"
#include "devices/board/pc_parts.h"

namespace tandem::devices {

using machine::Machine;
using Kind = RunOutcome::Kind;

namespace {

i64 host_date() {
  using namespace std::chrono;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

// What firmware finds out about memory and CPUs (Ralf Brown's list, CMOS 15h..18h, 30h..35h, 5Bh..5Fh).
void fill_cmos(Rtc& rtc, const mem::GuestMemory& memory, u32 vcpus) {
  const auto word = [&](u8 index, u64 v) {
    rtc.set_cmos(index, static_cast<u8>(v));
    rtc.set_cmos(static_cast<u8>(index + 1), static_cast<u8>(v >> 8));
  };
  const u64 low = memory.low_size();
  const u64 extended = low > MiB ? std::min<u64>((low - MiB) / KiB, 0xffff) : 0;
  word(0x15, 640);
  word(0x17, extended);
  word(0x30, extended);
  word(0x34, low > 16 * MiB ? (low - 16 * MiB) / (64 * KiB) : 0);
  const u64 high = memory.high_size() / (64 * KiB);
  word(0x5b, high);
  rtc.set_cmos(0x5d, static_cast<u8>(high >> 16));
  rtc.set_cmos(0x5f, static_cast<u8>(vcpus - 1));
  rtc.set_cmos(0x14, 0x04);  // equipment: a mouse
}

}  // namespace

Result<void> Pc::Parts::claim(bus::Bus& bus, bus::IoRange range, bus::IoHandler& handler,
                              std::string_view owner) {
  TANDEM_TRY_ASSIGN(claim, bus.claim(range, handler, owner));
  claims.push_back(std::move(claim));
  return {};
}

// Interrupt controllers and the wires to them.
Result<void> Pc::Parts::add_interrupts() {
  Machine& m = *machine;
  pic = &add<Pic>(m.context(), [&m](bool level) { m.lapic(0).set_pic_intr(level); });
  ioapic = &add<Ioapic>(m.apic_bus());
  m.apic_bus().connect_pic(*pic);
  m.apic_bus().connect_eoi(*ioapic);
  for (unsigned i = 0; i < gsi.size(); ++i) {
    if (i < 16) gsi[i].connect(*pic, i);
    // IRQ0 goes to pin 2, the cascade has no wire.
    gsi[i].connect(*ioapic, i == 0 ? 2 : i);
  }
  TANDEM_TRY(claim(0x20, 2, pic->master_ports(), pic->name()));
  TANDEM_TRY(claim(0xa0, 2, pic->slave_ports(), pic->name()));
  TANDEM_TRY(claim(0x4d0, 2, pic->elcr_ports(), pic->name()));
  return claim(m.mmio(), {kIoapicBase, 0x1000}, *ioapic, ioapic->name());
}

Result<void> Pc::Parts::add_timers() {
  Machine& m = *machine;
  pit = &add<Pit>(m.context(), irq::EdgeIrq(gsi[0]));
  rtc = &add<Rtc>(m.context(), irq::LevelIrq(gsi[kRtcIrq]), config.date ? config.date : host_date);
  fill_cmos(*rtc, m.memory(), config.vcpus);
  Hpet::Wiring wiring;
  for (irq::IrqWire& w : gsi) wiring.routes.push_back(&w);
  wiring.routes[2] = &gsi[0];  // the wire that ends at pin 2
  wiring.legacy[0] = &gsi[0];
  wiring.legacy[1] = &gsi[kRtcIrq];
  wiring.set_legacy = [this](bool on) {
    pit->set_irq_enabled(!on);
    rtc->set_irq_enabled(!on);
  };
  wiring.msi = &m.apic_bus();
  if (config.speaker) pit->add_speaker(*config.speaker);
  auto& hpet = add<Hpet>(m.context(), std::move(wiring));
  TANDEM_TRY(claim(0x40, 4, pit->ports(), pit->name()));
  TANDEM_TRY(claim(0x61, 1, pit->system_port(), pit->name()));
  TANDEM_TRY(claim(kRtcPorts, 2, *rtc, rtc->name()));
  return claim(m.mmio(), {kHpetBase, 0x400}, hpet, hpet.name());
}

Result<void> Pc::Parts::add_pci() {
  Machine& m = *machine;
  const auto reset = [&m] { m.stop({Kind::Reset, 0, {}}); };
  host_bridge = &add<I440fx>(m.context(), reset, legacy_window);
  std::array<irq::IrqWire*, 16> isa;
  for (unsigned i = 0; i < 16; ++i) isa[i] = &gsi[i];
  auto& piix3 = add<Piix3>(m.context(), isa);
  for (unsigned i = 0; i < 4; ++i) gsi[kPirqGsi + i].connect(piix3, i);
  pm = &add<PiixPm>(m.context(), config.firmware ? u16{0} : kPmBase, irq::LevelIrq(gsi[kSciIrq]),
                    PiixPm::Requests{[&m] { m.stop({Kind::PowerOff, 0, {}}); },
                                     [&m] { m.signal_vcpu(VcpuId{0}, cpu::Signal::Smi, 0); }});
  host_bridge->plug(1, 0, piix3);
  host_bridge->plug(1, 3, *pm);
  TANDEM_TRY(claim(m.pio(), {0xcf8, 8}, host_bridge->config_ports(), host_bridge->name()));
  return claim(0xb2, 2, pm->apm_ports(), pm->name());
}

Result<void> Pc::Parts::add_vga() {
  if (!config.vga || !config.firmware) return {};
  Machine& m = *machine;
  const VgaConfig& c = *config.vga;
  if (!std::has_single_bit(c.memory_bytes) || c.memory_bytes < MiB || c.memory_bytes > 256 * MiB)
    return user_error("videoram: a power of two from 1 to 256 MiB");
  TANDEM_TRY_ASSIGN(memory, m.memory().allocate(c.memory_bytes));
  Vga::Rom rom{0, c.rom.empty() ? 0 : std::bit_ceil(std::max<u64>(c.rom.size(), kPageSize))};
  TANDEM_TRY_ASSIGN(rom_offset, m.memory().allocate(rom.size));
  rom.offset = rom_offset;
  std::copy(c.rom.begin(), c.rom.end(), m.memory().base() + rom.offset);
  vga = &add<Vga>(m.context(), Vga::Memory{memory, c.memory_bytes}, rom);
  host_bridge->plug(kVgaSlot, 0, *vga);
  TANDEM_TRY(claim(0x3c0, 32, vga->color_ports(), vga->name()));
  TANDEM_TRY(claim(0x3b0, 12, vga->mono_ports(), vga->name()));
  TANDEM_TRY(claim(m.pio(), {0x1ce, 3, 2}, vga->vbe_ports(), vga->name()));
  return claim(m.mmio(), {kVgaWindow, kVgaWindowSize}, vga->window(), vga->name());
}

// Keyboards and tablets: each that is asked for, at a port of its own.
InputRouter::Usb Pc::Parts::add_usb() {
  InputRouter::Usb usb;
  if (!config.usb_tablet && !config.usb_keyboard) return usb;
  usb.bus = &add<Xhci>(machine->context(), pci_irq(kXhciSlot), machine->apic_bus());
  host_bridge->plug(kXhciSlot, 0, *usb.bus);
  const auto attach = [&]<class T>(bool wanted, T*& device) {
    if (!wanted) return;
    auto made = std::make_unique<T>();
    device = made.get();
    usb.bus->attach(std::move(made));
  };
  attach(config.usb_tablet, usb.tablet);
  attach(config.usb_keyboard, usb.keyboard);
  return usb;
}

Result<void> Pc::Parts::add_isa() {
  Machine& m = *machine;
  const auto reset = [&m] { m.stop({Kind::Reset, 0, {}}); };
  for (unsigned i = 0; i < 4; ++i) {
    auto& uart =
        add<Uart>("serial" + std::to_string(i), irq::LevelIrq(gsi[kSerialIrqs[i]]), config.serials[i].get());
    TANDEM_TRY(claim(kSerialPorts[i], 8, uart, uart.name()));
  }
  i8042 = &add<I8042>(irq::LevelIrq(gsi[kKeyboardIrq]), irq::LevelIrq(gsi[kMouseIrq]), reset);
  input = std::make_unique<InputRouter>(*i8042, add_usb());
  TANDEM_TRY(claim(0x60, 1, i8042->data_port(), i8042->name()));
  TANDEM_TRY(claim(0x64, 1, i8042->command_port(), i8042->name()));
  const auto port = [&](std::string_view name, bus::IoRange range, u8 read_value,
                        std::function<void(u32)> f) {
    auto& p = add<CallPort>(std::string(name), read_value, std::move(f));
    return claim(m.pio(), range, p, p.name());
  };
  // Bit 0 resets, bit 1 is A20, which is always on.
  TANDEM_TRY(port("fast-reset", {0x92, 1, 1}, 0x02, [reset](u32 v) {
    if (v & 1) reset();
  }));
  CharBackend* debugcon = config.debugcon.get();
  for (unsigned i = 0; i < 2; ++i)
    TANDEM_TRY(port("debugcon" + std::to_string(i), {kDebugconPorts[i], 1, 1}, 0xe9, [debugcon](u32 v) {
      const u8 byte = static_cast<u8>(v);
      if (debugcon) debugcon->write({&byte, 1});
    }));
  TANDEM_TRY(port("pvpanic", {kPvpanicPort, 1, 1}, 0x03, [&m](u32 v) {
    if (v & 3) m.stop({Kind::Panic, v, {}});
  }));
  if (config.debug_exit_port)
    TANDEM_TRY(port("debug-exit", {*config.debug_exit_port, 4}, 0,
                    [&m](u32 v) { m.stop({Kind::DebugExit, v, {}}); }));
  if (config.exit_port)
    TANDEM_TRY(port("exit-port", {*config.exit_port, 1, 1}, 0,
                    [&m](u32 v) { m.stop({Kind::ExitPort, v & 0xff, {}}); }));
  return {};
}

AcpiTables Pc::Parts::acpi_tables() const {
  return build_acpi_tables({.vcpus = config.vcpus,
                            .pm_base = pm->base(),
                            .floppy = has_floppy,
                            .pci_hole = config.firmware ? pci_hole_start(machine->memory()) : kPciHoleStart,
                            .virtio_mmio = virtio_mmio_count});
}

// What firmware would have done, and the boot loader.
Result<cpu::CpuState> Pc::Parts::load_kernel() {
  mem::GuestMemory& memory = machine->memory();
  if (!memory.write(Gpa{kAcpiTables}, acpi_image(acpi_tables(), kAcpiTables)))
    return user_error("memory: too small for a PC");
  if (!config.boot) return cpu::reset_state(true, 0);
  return config.boot(memory, BootInfo{Gpa{kAcpiTables}, memory_map(memory)});
}

// Back to the state after power-up or reset, then firmware or the boot loader.
Result<void> Pc::Parts::boot(machine::ResetKind kind) {
  std::lock_guard lock(machine->state_mutex());
  for (machine::Device* d : devices) d->reset(kind);
  cpu::CpuState state = cpu::reset_state(true, 0);
  if (!config.firmware) {
    TANDEM_TRY_ASSIGN(loaded, load_kernel());
    state = loaded;
  }
  TANDEM_TRY(machine->reset_cpus(state));
  booted = true;
  return {};
}

Result<std::unique_ptr<Pc>> Pc::create(PcConfig config, cpu::Engine& engine) {
  if (config.memory_bytes < MiB) return user_error("memory: a PC needs 1 MiB at least");
  auto parts = std::make_unique<Parts>();
  parts->config = std::move(config);
  const PcConfig& c = parts->config;
  TANDEM_TRY_ASSIGN(m, Machine::create({c.memory_bytes, c.vcpus, c.model, c.clock}, engine));
  parts->machine = std::move(m);
  TANDEM_TRY(parts->place_rom());
  TANDEM_TRY(parts->add_flash());
  TANDEM_TRY(parts->add_interrupts());
  TANDEM_TRY(parts->add_timers());
  TANDEM_TRY(parts->add_pci());
  TANDEM_TRY(parts->add_ide());
  TANDEM_TRY(parts->add_ahci());
  TANDEM_TRY(parts->add_vga());
  TANDEM_TRY(parts->add_isa());
  TANDEM_TRY(parts->add_floppy());
  TANDEM_TRY(parts->add_virtio());
  TANDEM_TRY(parts->add_e1000());
  TANDEM_TRY(parts->add_firmware_configuration());
  return std::unique_ptr<Pc>(new Pc(std::move(parts)));
}

Pc::Pc(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Pc::~Pc() = default;

mem::GuestMemory& Pc::memory() { return parts_->machine->memory(); }
Machine& Pc::machine() { return *parts_->machine; }
const std::vector<machine::Device*>& Pc::devices() const { return parts_->devices; }

Result<RunOutcome> Pc::run() {
  if (!parts_->booted) TANDEM_TRY(parts_->boot(machine::ResetKind::PowerOn));
  for (;;) {
    for (machine::Device* d : parts_->devices) d->resume();
    RunOutcome outcome = parts_->machine->run();
    for (machine::Device* d : parts_->devices) TANDEM_TRY(d->quiesce());
    if (outcome.kind != Kind::Reset || !parts_->config.restart_on_reset) return outcome;
    TANDEM_TRY(parts_->boot(machine::ResetKind::System));
  }
}

Result<std::optional<RunOutcome>> Pc::run_for(u64 instructions) {
  if (!parts_->booted) TANDEM_TRY(parts_->boot(machine::ResetKind::PowerOn));
  Machine& m = *parts_->machine;
  const u64 end = m.retired() + instructions;
  for (;;) {
    for (machine::Device* d : parts_->devices) d->resume();
    std::optional<RunOutcome> outcome = m.run_for(end - m.retired());
    if (!outcome || outcome->kind != Kind::Reset || !parts_->config.restart_on_reset) return outcome;
    TANDEM_TRY(parts_->boot(machine::ResetKind::System));
  }
}

Result<void> Pc::reboot() { return parts_->boot(machine::ResetKind::System); }

void Pc::request_stop() { parts_->machine->stop({Kind::Stopped, 0, {}}); }
void Pc::request_reset() { parts_->machine->stop({Kind::Reset, 0, {}}); }
void Pc::power_button() { parts_->pm->power_button(); }

void Pc::nmi() {
  for (u32 i = 0; i < parts_->machine->vcpu_count(); ++i) parts_->machine->lapic(i).set_lint1(true);
}

void Pc::add_speaker(SpeakerSink& sink) { parts_->pit->add_speaker(sink); }
void Pc::remove_speaker(SpeakerSink& sink) { parts_->pit->remove_speaker(sink); }

std::string Pc::interrupt_text() const {
  return devices::interrupt_text(parts_->pic->state(), parts_->ioapic->state());
}

InputSink& Pc::input() { return parts_->virtio_input ? *parts_->virtio_input : *parts_->input; }

Display* Pc::display() {
  if (parts_->gpu) return parts_->gpu;
  return parts_->vga;
}

Result<std::vector<u8>> Pc::save() {
  for (machine::Device* d : parts_->devices) TANDEM_TRY(d->quiesce());
  snapshot::StateWriter writer;
  TANDEM_TRY(parts_->machine->save(writer));
  for (const machine::Device* d : parts_->devices) d->save(writer);
  return writer.finish();
}

Result<void> Pc::load(std::vector<u8> snapshot) {
  TANDEM_TRY_ASSIGN(reader, snapshot::StateReader::open(std::move(snapshot)));
  TANDEM_TRY(parts_->machine->load(reader));
  for (machine::Device* d : parts_->devices) TANDEM_TRY(d->load(reader));
  parts_->booted = true;
  return reader.finish();
}

}  // namespace tandem::devices
