#include "devices/pci/msix.h"

#include "core/base/bits.h"
#include "devices/pci/regs.h"

namespace tandem::devices {

namespace {

constexpr u32 kMasked = 1;  // 6.8.2.9: vector control
constexpr u64 kEntry = 16;

}  // namespace

void Msix::set_control(u16 control) {
  std::lock_guard lock(mutex_);
  enabled_ = control & pci::kMsixEnable;
  all_masked_ = control & pci::kMsixMask;
  send_pending();
}

bool Msix::enabled() const {
  std::lock_guard lock(mutex_);
  return enabled_;
}

void Msix::raise(unsigned vector) {
  std::lock_guard lock(mutex_);
  if (vector < vectors_.size()) send(vectors_[vector]);
}

// 6.8.3.5: what is masked waits in its pending bit.
void Msix::send(MsixVector& v) {
  v.pending = !enabled_ || all_masked_ || (v.control & kMasked);
  if (!v.pending) target_.send({v.address, v.data});
}

void Msix::send_pending() {
  if (!enabled_ || all_masked_) return;
  for (MsixVector& v : vectors_)
    if (v.pending) send(v);
}

u32 Msix::read_dword(u64 offset) const {
  if (offset >= kPending) {
    u32 pending = 0;
    for (u64 i = 0; i < 32; ++i)
      if (const u64 n = (offset - kPending) * 8 + i; n < vectors_.size() && vectors_[n].pending)
        pending |= u32{1} << i;
    return pending;
  }
  if (offset / kEntry >= vectors_.size()) return 0;
  const MsixVector& v = vectors_[offset / kEntry];
  switch (offset % kEntry) {
    case 0: return static_cast<u32>(v.address);
    case 4: return static_cast<u32>(v.address >> 32);
    case 8: return v.data;
    default: return v.control;
  }
}

void Msix::write_dword(u64 offset, u32 value) {
  if (offset / kEntry >= vectors_.size()) return;
  MsixVector& v = vectors_[offset / kEntry];
  switch (offset % kEntry) {
    case 0: v.address = (v.address & ~low_mask(32)) | (value & ~u32{3}); break;
    case 4: v.address = (v.address & low_mask(32)) | u64{value} << 32; break;
    case 8: v.data = value; break;
    default: v.control = value & kMasked; send_pending();
  }
}

// 6.8.2: software uses dwords and quadwords.
void Msix::io(bus::IoAccess& access) {
  if (access.size < 4 || access.offset % 4) return;
  std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < access.size; i += 4) {
    if (access.dir == bus::IoDir::Read) access.value |= u64{read_dword(access.offset + i)} << 8 * i;
    else write_dword(access.offset + i, static_cast<u32>(access.value >> 8 * i));
  }
}

void Msix::reset() {
  std::lock_guard lock(mutex_);
  vectors_.assign(vectors_.size(), {});
}

std::vector<MsixVector> Msix::state() const {
  std::lock_guard lock(mutex_);
  return vectors_;
}

void Msix::set_state(const std::vector<MsixVector>& state) {
  std::lock_guard lock(mutex_);
  vectors_ = state;
}

}  // namespace tandem::devices
