#include "devices/storage/piix3_ide.h"

#include "core/base/bits.h"
#include "devices/pci/regs.h"

namespace tandem::devices {

namespace {

// 82371SB data sheet, 2.3.9 IDETIM: for each channel a word, whose bit 15 lets it decode its ports.
constexpr unsigned kTiming = 0x40, kSlaveTiming = 0x44;
constexpr u32 kDecode = 0x8000;
constexpr unsigned kMasterBar = 4;
constexpr u64 kMasterPorts = 8;  // of one channel

IdeChannel::Drives make_drives(std::span<const AtaUnit, 4> units, unsigned channel) {
  const auto drive = [&](unsigned n) { return make_drive(units[n], n, ata::Transport::Parallel); };
  return {drive(channel * 2), drive(channel * 2 + 1)};
}

}  // namespace

Piix3Ide::Piix3Ide(machine::DeviceContext context, std::array<irq::LevelIrq, 2> irqs,
                   std::span<const AtaUnit, 4> units)
    : PciDevice(context, {.vendor = 0x8086, .device = 0x7010, .class_code = 0x010180}),
      channels_{IdeChannel{context.memory, irqs[0], make_drives(units, 0), [this] { return bus_master(); }},
                IdeChannel{context.memory, irqs[1], make_drives(units, 1), [this] { return bus_master(); }}},
      ports_{Ports{{*this, 0, channels_[0].command_ports()}, {*this, 0, channels_[0].control_port()}},
             Ports{{*this, 1, channels_[1].command_ports()}, {*this, 1, channels_[1].control_port()}}},
      master_ports_(*this, &Piix3Ide::master_io) {
  // As firmware leaves it: both channels at their legacy ports.
  set_config(pci::kCommand, 2, pci::kCommandIo | pci::kCommandMaster);
  set_config(kTiming, 4, kDecode << 16 | kDecode);
  set_writable(kTiming, {0xff, 0xf3, 0xff, 0xf3, 0xff});
  static_assert(kSlaveTiming == kTiming + 4);
  add_bar(kMasterBar, BarKind::Io, 2 * kMasterPorts, master_ports_);
}

// The back ends still know the channels while something is under way.
Piix3Ide::~Piix3Ide() { std::ignore = quiesce(); }

bool Piix3Ide::decodes(unsigned channel) const {
  return (config(pci::kCommand, 2) & pci::kCommandIo) && (config(kTiming + 2 * channel, 2) & kDecode);
}

void Piix3Ide::Decoded::io(bus::IoAccess& access) {
  if (ide_.decodes(channel_)) inner_.io(access);
  else if (access.dir == bus::IoDir::Read) access.value = low_mask(access.size * 8u);
}

void Piix3Ide::master_io(bus::IoAccess& access) { channels_[access.offset / kMasterPorts].master_io(access); }

void Piix3Ide::reset(machine::ResetKind) {
  for (IdeChannel& c : channels_) c.reset();
  reset_config();
}

Result<void> Piix3Ide::quiesce() {
  for (IdeChannel& c : channels_) TANDEM_TRY(c.quiesce());
  return {};
}

void Piix3Ide::save(snapshot::StateWriter& writer) const {
  writer.begin_section(name(), 1);
  writer(config_state());
  for (const IdeChannel& c : channels_) writer(c.state());
  writer.end_section();
}

Result<void> Piix3Ide::load(snapshot::StateReader& reader) {
  PciConfig config;
  std::array<IdeChannelState, 2> states;
  TANDEM_TRY(reader.begin_section(name(), 1));
  reader(config, states);
  for (unsigned i = 0; i < 2; ++i)
    reader.check(states[i].valid() && channels_[i].fits(states[i]), "a drive's state");
  TANDEM_TRY(reader.end_section());
  load_config(config);
  for (unsigned i = 0; i < 2; ++i) channels_[i].set_state(states[i]);
  return {};
}

}  // namespace tandem::devices
