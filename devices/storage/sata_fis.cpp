#include "devices/storage/sata_fis.h"

#include "core/base/bits.h"

namespace tandem::devices::ata {

namespace {

constexpr u8 kHostRegister = 0x27, kDeviceRegister = 0x34, kPioSetup = 0x5f, kSetBits = 0xa1;
constexpr u8 kIsCommand = 0x80, kInterrupt = 0x40, kToHost = 0x20;
constexpr u8 kSetBitsStatus = 0x77;  // BSY and DRQ are not set by it

// Bytes 4 to 13, alike in all frames that carry registers.
void put_registers(RegisterFis& fis, const TaskFile& r) {
  fis[2] = r.status;
  fis[3] = r.error;
  fis[4] = r.low.now;
  fis[5] = r.mid.now;
  fis[6] = r.high.now;
  fis[7] = r.device;
  fis[8] = r.low.before;
  fis[9] = r.mid.before;
  fis[10] = r.high.before;
  fis[12] = r.count.now;
  fis[13] = r.count.before;
}

}  // namespace

std::optional<HostFis> take_host_fis(std::span<const u8, 20> fis, TaskFile& r) {
  if (fis[0] != kHostRegister) return {};
  if (!(fis[1] & kIsCommand)) return HostFis{false, 0, fis[15]};
  r.features = {fis[3], fis[11]};
  r.low = {fis[4], fis[8]};
  r.mid = {fis[5], fis[9]};
  r.high = {fis[6], fis[10]};
  r.device = fis[7];
  r.count = {fis[12], fis[13]};
  return HostFis{true, fis[2], fis[15]};
}

RegisterFis register_fis(const TaskFile& regs, bool interrupt) {
  RegisterFis fis{};
  fis[0] = kDeviceRegister;
  fis[1] = interrupt ? kInterrupt : 0;
  put_registers(fis, regs);
  return fis;
}

RegisterFis pio_setup_fis(const TaskFile& regs, bool to_host, u16 bytes) {
  RegisterFis fis{};
  fis[0] = kPioSetup;
  fis[1] = static_cast<u8>(kInterrupt | (to_host ? kToHost : 0));
  put_registers(fis, regs);
  fis[2] = static_cast<u8>(regs.status | kDataRequest);
  fis[15] = regs.status;  // when the data is through
  store_le(&fis[16], bytes);
  return fis;
}

SetBitsFis set_bits_fis(const TaskFile& regs, u32 finished) {
  SetBitsFis fis{};
  fis[0] = kSetBits;
  fis[1] = kInterrupt;
  fis[2] = regs.status & kSetBitsStatus;
  fis[3] = regs.error;
  store_le(&fis[4], finished);
  return fis;
}

}  // namespace tandem::devices::ata
