// Finding and decoding blocks.
#include <algorithm>
#include <cstring>

#include "core/interp/interp_vcpu.h"
#include "core/isa/op.h"
#include "core/mmu/access.h"

namespace tandem::interp {

using namespace cpu;

namespace {
constexpr unsigned kMaxInsnBytes = isa::kMaxLength;
constexpr u32 kSingle = 1u << 31;  // in a key's mode: see single_block()
constexpr u64 kNoRam = ~u64{1};    // second page of an instruction that ends where no RAM is

isa::Insn make_tail(u32 bytes) {
  isa::Insn tail;
  tail.offset = static_cast<u16>(bytes);
  tail.handler = fall_through_handler();
  return tail;
}
}  // namespace

void InterpVcpu::mark_code(u64 physical) {
  const u8* host = c_.memory->host(Gpa{physical});
  const u64 page = static_cast<u64>(host - c_.memory->base()) >> kPageShift;
  const auto from = static_cast<u16>(physical & kPageMask);
  if (!cache_.has_page(physical >> kPageShift) || from < c_.memory->marks().code_from(page))
    c_.memory->add_code_page(page, *this, from);
}

// Up to 15 bytes at linear, fewer where the next page can't be had. False: not even one; cpu.fault is set.
bool InterpVcpu::fetch(u64 linear, u8* bytes, unsigned& available, Gpa& first, Gpa& second) {
  if (c_.mode.code_size != 8 && c_.state.rip > c_.state.segments[kCs].limit) {
    c_.fault = fault(kGeneralProtection, 0);
    return false;
  }
  if (!mmu::translate_fetch(c_, linear, first)) return false;
  const unsigned in_page =
      static_cast<unsigned>(std::min<u64>(kMaxInsnBytes, kPageSize - (linear & kPageMask)));
  auto copy = [&](Gpa from, u8* to, unsigned n) {
    if (c_.memory->host(from)) {
      c_.memory->read(from, {to, n});
      return;
    }
    for (unsigned i = 0; i < n; ++i) {
      bus::IoAccess io{bus::BusKind::Mmio, bus::IoDir::Read, 1, c_.id, raw(from) + i, 0, 0};
      c_.sink->io(io);
      to[i] = static_cast<u8>(io.value);
    }
  };
  copy(first, bytes, in_page);
  available = in_page;
  second = Gpa{~u64{0}};
  if (in_page == kMaxInsnBytes) return true;
  const GuestFault before = c_.fault;
  if (!mmu::translate_fetch(c_, linear + in_page, second)) {
    c_.fault = before;
    second = Gpa{~u64{0}};
    return true;
  }
  copy(second, bytes + in_page, kMaxInsnBytes - in_page);
  available = kMaxInsnBytes;
  return true;
}

// Decodes one instruction into a block of its own. False: fetching it faults.
bool InterpVcpu::decode_one(u64 linear, Block& block) {
  u8 bytes[kMaxInsnBytes];
  unsigned available;
  Gpa first, second;
  if (!fetch(linear, bytes, available, first, second)) return false;
  block.key = {raw(first), mode_bits(c_.mode)};
  block.links[0] = block.links[1] = nullptr;
  block.insns.assign(2, {});
  isa::Insn& insn = block.insns[0];
  if (decoder_.decode(c_, {bytes, available}, c_.mode.code_size, 0, insn) == isa::DecodeStatus::Truncated) {
    Gpa ignored;
    return mmu::translate_fetch(c_, linear + available, ignored);  // faults, as it did above
  }
  if (c_.mode.code_size != 8 && c_.state.rip + insn.length - 1 > c_.state.segments[kCs].limit) {
    c_.fault = fault(kGeneralProtection, 0);
    return false;
  }
  insn.handler = select_handler(insn);
  const unsigned in_page = static_cast<unsigned>(kPageSize - (linear & kPageMask));
  const bool in_ram = raw(second) != ~u64{0} && c_.memory->host(second);
  block.second_page = insn.length > in_page ? (in_ram ? raw(second) & ~kPageMask : kNoRam) : ~u64{0};
  block.bytes = insn.length;
  block.code.assign(bytes, bytes + insn.length);
  block.count = 1;
  block.insns[1] = make_tail(insn.length);
  return true;
}

// The one instruction at linear as a block that chains to nothing. Null: fetching it faults.
Block* InterpVcpu::single_block(u64 linear) {
  Gpa physical;
  const u32 mode = mode_bits(c_.mode) | kSingle;
  const bool in_ram = c_.mode.code_size == 8 && mmu::translate_fetch(c_, linear, physical) &&
                      c_.memory->host(physical) != nullptr;
  if (in_ram)
    if (Block* found = cache_.find({raw(physical), mode})) return found;
  if (!decode_one(linear, single_)) return nullptr;
  if (!in_ram || single_.crosses()) return &single_;
  mark_code(raw(physical));
  Block& block = cache_.make();
  block = single_;
  block.key.mode = mode;
  Block* added = cache_.add(block);
  added->runs_left = ~u32{0};
  return added;
}

Block* InterpVcpu::decode_block(u64 linear, Gpa physical) {
  const u8* code = c_.memory->host(physical);
  unsigned count = 0;
  const unsigned in_page = static_cast<unsigned>(kPageSize - (linear & kPageMask));
  unsigned at = 0;
  while (count < kMaxInsns) {
    isa::Insn& insn = decoded_[count];
    if (at && debugger_stops_inside(linear + at)) break;
    const unsigned left = std::min(in_page - at, kMaxInsnBytes);
    std::memcpy(code_.data() + at, code + at, left);
    if (left == 0 || decoder_.decode(c_, {code_.data() + at, left}, c_.mode.code_size, static_cast<u16>(at),
                                     insn) == isa::DecodeStatus::Truncated)
      break;
    insn.handler = select_handler(insn);
    ++count;
    at += insn.length;
    if (isa::flow_of(insn.op) != isa::Flow::Normal) break;
  }
  if (count == 0) return nullptr;
  Block& block = cache_.make();
  block.key = {raw(physical), mode_bits(c_.mode)};
  block.count = count;
  block.bytes = at;
  decoded_[count] = make_tail(at);
  block.insns.assign(decoded_.begin(), decoded_.begin() + count + 1);
  block.code.assign(code_.begin(), code_.begin() + at);
  return cache_.add(block);
}

// Does it leave CS, or go on where the instruction pointer wraps?
bool InterpVcpu::runs_over(const Block& block) const {
  if (c_.mode.code_size == 8) return false;
  const u64 limit = c_.state.segments[kCs].limit;
  return c_.state.rip + block.bytes - 1 > (c_.mode.code_size == 2 ? std::min<u64>(limit, 0xffff) : limit);
}

// The block at rip, decoded now if it must be. Null: fault in cpu.fault.
Block* InterpVcpu::find_block() {
  const u64 linear = linear_rip(c_);
  Block* const block = find_block_at(linear);
  if (!block || block == &single_ || !runs_over(*block)) return block;
  return decode_one(linear, single_) ? &single_ : nullptr;
}

Block* InterpVcpu::find_block_at(u64 linear) {
  if (c_.mode.code_size != 8 && c_.state.rip > c_.state.segments[kCs].limit) {
    c_.fault = fault(kGeneralProtection, 0);
    return nullptr;
  }
  Gpa physical;
  if (!mmu::translate_fetch(c_, linear, physical, &c_.page_is_global)) return nullptr;
  const BlockKey key{raw(physical), mode_bits(c_.mode)};
  Block* found = cache_.find(key);
  if (found && (!found->crosses() || still_crosses(*found, linear))) return found;
  if (!c_.memory->host(physical)) return decode_one(linear, single_) ? &single_ : nullptr;
  if (!found) {
    mark_code(raw(physical));
    if (Block* b = decode_block(linear, physical)) return b;
  }
  return crossing_block(linear);
}

Block* InterpVcpu::block_at(u64 linear, bool& global) {
  const cpu::GuestFault fault_before = c_.fault;
  const bool global_before = c_.page_is_global;
  Block* const block = find_block_at(linear);
  global = c_.page_is_global;
  c_.fault = fault_before;
  c_.page_is_global = global_before;
  return block == &single_ ? nullptr : block;
}

// Is the second page of this block's bytes still the one that is mapped behind the first?
bool InterpVcpu::still_crosses(const Block& block, u64 linear) {
  Gpa second;
  bool global;
  if (!mmu::translate_fetch(c_, (linear | kPageMask) + 1, second, &global)) return false;
  c_.page_is_global &= global;
  return raw(second) == block.second_page;
}

// A block of the one instruction that crosses into the next page.
Block* InterpVcpu::crossing_block(u64 linear) {
  if (!decode_one(linear, single_)) return nullptr;
  if (!single_.crosses() || single_.second_page == kNoRam) return &single_;
  c_.page_is_global = false;
  Block& block = cache_.make();
  block = single_;
  block.runs_left = ~u32{0};
  block.upper = nullptr;
  mark_code(block.second_page);
  return cache_.add(block);
}

}  // namespace tandem::interp
