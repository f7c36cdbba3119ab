#include "devices/storage/ahci.h"

#include "core/base/bits.h"
#include "devices/storage/ahci_regs.h"

namespace tandem::devices {

using namespace ahci;

namespace {

constexpr unsigned kBar = 5;
constexpr u64 kBarSize = 8 * KiB;

// Registers in which a written 1 does something and a 0 does not: a write of a part needs no other bytes.
bool acts_on_ones(u64 offset) {
  if (offset < kPorts) return offset == kIs;
  const u64 at = (offset - kPorts) % kPortSize;
  return at == kPortIs || at == kPortSerr || at == kPortSact || at == kPortCi;
}

}  // namespace

Ahci::Ahci(machine::DeviceContext context, irq::LevelIrq intx, irq::MsiTarget& msi,
           const std::map<unsigned, AtaUnit>& units, unsigned first_serial)
    : PciDevice(context, {.vendor = 0x8086, .device = 0x2922, .class_code = 0x010601, .revision = 2}),
      memory_(*this, &Ahci::memory_io) {
  for (const auto& [unit, what] : units) {
    while (ports_.size() <= unit) {
      const unsigned n = static_cast<unsigned>(ports_.size());
      const auto here = units.find(n);
      ports_.push_back(std::make_unique<AhciPort>(
          AhciPort::Host{context.memory, [this] { return bus_master(); },
                         [this, n](bool level) { port_asks(n, level); }},
          here == units.end() ? nullptr
                              : make_drive(here->second, first_serial + n, ata::Transport::Serial)));
    }
  }
  add_bar(kBar, BarKind::Memory32, kBarSize, memory_);
  add_interrupt(intx, msi);
  add_power_management();
}

// The back ends still know the ports while something is under way.
Ahci::~Ahci() { std::ignore = quiesce(); }

void Ahci::update_interrupt() { set_interrupt(interrupts_ && is_); }

// 10.7.2: for a bit that is set while another one is, there is a message too.
void Ahci::port_asks(unsigned port, bool level) {
  std::lock_guard lock(mutex_);
  asking_ = static_cast<u32>(set_bit(asking_, port, level));
  if (!level || bit(is_, port)) return;
  const bool more = is_ != 0;
  is_ |= u32{1} << port;
  update_interrupt();
  if (more && interrupts_) repeat_interrupt();
}

u32 Ahci::read_register(u64 offset) const {
  if (offset >= kPorts) {
    const u64 port = (offset - kPorts) / kPortSize;
    return port < ports_.size() ? ports_[port]->read((offset - kPorts) % kPortSize) : 0;
  }
  std::lock_guard lock(mutex_);
  const u32 ports = static_cast<u32>(ports_.size());
  switch (offset) {
    case kCap: return (ports - 1) | kCapSlots | kCapOverride | kCapGen2 | kCapAhciOnly | kCapQueuing | kCap64;
    case kGhc: return kGhcAhci | (interrupts_ ? kGhcInterrupts : 0);
    case kIs: return is_;
    case kPi: return static_cast<u32>(low_mask(ports));
    case kVs: return kVersion;
    default: return 0;
  }
}

void Ahci::write_register(u64 offset, u32 value) {
  if (offset >= kPorts) {
    const u64 port = (offset - kPorts) / kPortSize;
    if (port < ports_.size()) ports_[port]->write((offset - kPorts) % kPortSize, value);
    return;
  }
  if (offset == kGhc && (value & kGhcReset)) return host_reset();
  std::lock_guard lock(mutex_);
  if (offset == kGhc) {
    interrupts_ = value & kGhcInterrupts;
    update_interrupt();
  } else if (offset == kIs) {
    is_ = (is_ & ~value) | asking_;
    update_interrupt();
    if (is_ && interrupts_) repeat_interrupt();
  }
}

// 10.4.3
void Ahci::host_reset() {
  for (auto& p : ports_) p->host_reset();
  std::lock_guard lock(mutex_);
  interrupts_ = false;
  is_ = asking_;
  update_interrupt();
}

void Ahci::memory_io(bus::IoAccess& access) {
  for (u64 done = 0; done < access.size;) {
    const u64 at = access.offset + done, dword = align_down(at, 4);
    const unsigned from = static_cast<unsigned>(at - dword);
    const unsigned n = static_cast<unsigned>(std::min<u64>(4 - from, access.size - done));
    const u32 mask = static_cast<u32>(low_mask(8 * n) << 8 * from);
    if (access.dir == bus::IoDir::Read) {
      access.value |= u64{(read_register(dword) & mask) >> 8 * from} << 8 * done;
    } else {
      const u32 written = static_cast<u32>(access.value >> 8 * done) << 8 * from & mask;
      const bool whole = n == 4 || acts_on_ones(dword);
      write_register(dword, whole ? written : (read_register(dword) & ~mask) | written);
    }
    done += n;
  }
}

// Bus mastering may have been allowed only now.
void Ahci::config_written(unsigned, unsigned) {
  if (!bus_master()) return;
  for (auto& p : ports_) p->run();
}

void Ahci::reset(machine::ResetKind) {
  for (auto& p : ports_) p->reset();
  reset_config();
  std::lock_guard lock(mutex_);
  interrupts_ = false;
  is_ = asking_ = 0;
}

Result<void> Ahci::quiesce() {
  for (auto& p : ports_) TANDEM_TRY(p->quiesce());
  return {};
}

void Ahci::save(snapshot::StateWriter& writer) const {
  AhciState s;
  s.config = config_state();
  for (const auto& p : ports_) s.ports.push_back(p->state());
  {
    std::lock_guard lock(mutex_);
    s.interrupts = interrupts_;
    s.is = is_;
  }
  snapshot::save_section(writer, name(), 1, s);
}

bool Ahci::fits(const AhciState& s) const {
  if (s.ports.size() != ports_.size()) return false;
  for (std::size_t i = 0; i < ports_.size(); ++i)
    if (!ports_[i]->fits(s.ports[i])) return false;
  return true;
}

Result<void> Ahci::load(snapshot::StateReader& reader) {
  AhciState s;
  TANDEM_TRY(reader.begin_section(name(), 1));
  reader(s);
  reader.check(fits(s), "a port's state");
  TANDEM_TRY(reader.end_section());
  load_config(s.config);
  for (std::size_t i = 0; i < ports_.size(); ++i) ports_[i]->set_state(s.ports[i]);
  std::lock_guard lock(mutex_);
  interrupts_ = s.interrupts;
  is_ = s.is;
  asking_ = 0;
  for (unsigned i = 0; i < ports_.size(); ++i)
    if (ports_[i]->asks_interrupt()) asking_ |= u32{1} << i;
  load_interrupt(interrupts_ && is_);
  return {};
}

}  // namespace tandem::devices
