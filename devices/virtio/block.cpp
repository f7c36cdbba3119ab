#include "devices/virtio/block.h"

#include <algorithm>
#include <cstring>

namespace tandem::devices::virtio {

namespace {

// 5.2.3
constexpr u64 kSegMax = u64{1} << 2, kReadOnly = u64{1} << 5, kBlkSize = u64{1} << 6, kFlush = u64{1} << 9,
              kTopology = u64{1} << 10, kMultiQueue = u64{1} << 12, kDiscard = u64{1} << 13,
              kWriteZeroes = u64{1} << 14;
// 5.2.4
constexpr u64 kCapacity = 0, kSegMaxField = 12, kBlkSizeField = 20, kTopologyField = 24, kQueues = 34,
              kDiscardSectors = 36, kDiscardSegments = 40, kDiscardAlignment = 44, kZeroSectors = 48,
              kZeroSegments = 52, kZeroMayUnmap = 56;
// 5.2.6
enum RequestType : u32 {
  kIn = 0,
  kOut = 1,
  kFlushRequest = 4,
  kGetId = 8,
  kDiscardRequest = 11,
  kZeroRequest = 13
};
constexpr u8 kOk = 0, kIoError = 1, kUnsupported = 2;
constexpr u64 kHeader = 16, kRange = 16, kSerialSize = 20;
constexpr u32 kUnmap = 1;

constexpr u16 kQueueSize = 512;
constexpr u32 kMaxSegments = kQueueSize - 2;
constexpr u32 kMaxClearSectors = 4 * MiB / kSectorSize * 256;  // 1 GiB
constexpr u8 kPageExponent = 3;                                // sectors of 4 KiB are what hosts like

u8 status_byte(BlockStatus status) { return status ? kOk : kIoError; }

u64 features_of(const BlockGeometry& geometry, u16 queues) {
  u64 f = kSegMax | kBlkSize | kFlush | kTopology;
  if (queues > 1) f |= kMultiQueue;
  return f | (geometry.read_only ? kReadOnly : kDiscard | kWriteZeroes);
}

}  // namespace

Block::Block(const machine::DeviceContext& context, std::string name, BlockBackend& medium,
             std::string serial, u16 queues)
    : Model(context, {DeviceType::Block, std::move(name), 0x010000}, features_of(medium.geometry(), queues),
            std::vector<u16>(queues, kQueueSize)),
      medium_(medium),
      serial_(std::move(serial)),
      geometry_(medium.geometry()) {
  set_config<u64>(kCapacity, geometry_.bytes / kSectorSize);
  set_config<u32>(kSegMaxField, kMaxSegments);
  set_config<u32>(kBlkSizeField, kSectorSize);
  set_config<u8>(kTopologyField, kPageExponent);
  set_config<u16>(kQueues, queues);
  set_config<u32>(kDiscardSectors, kMaxClearSectors);
  set_config<u32>(kDiscardSegments, 1);
  set_config<u32>(kDiscardAlignment, u32{1} << kPageExponent);
  set_config<u32>(kZeroSectors, kMaxClearSectors);
  set_config<u32>(kZeroSegments, 1);
  set_config<u32>(kZeroMayUnmap, 1);
}

Block::~Block() { std::ignore = medium_.drain(); }

// Null: the driver has more under way than its queues hold, so it gave some twice.
Block::Request* Block::idle_request() {
  if (idle_.empty()) {
    if (requests_.size() > std::size_t{kQueueSize} * queue_count()) return nullptr;
    return &requests_.emplace_back();
  }
  Request* const request = idle_.back();
  idle_.pop_back();
  return request;
}

void Block::kicked(unsigned queue) {
  allowance_.renew();
  for (;;) {
    Request* const request = idle_request();
    if (!request) return fail();
    request->queue = queue;
    if (!take(queue, request->chain)) return idle_.push_back(request);
    start(*request);
  }
}

// 5.2.6: a header that we read, data, and a status byte at the end of what we write; however the driver cuts
// them into descriptors.
void Block::start(Request& r) {
  Chain& c = r.chain;
  if (c.to_read < kHeader || c.to_write < 1) {
    idle_.push_back(&r);
    return fail();
  }
  u8 header[kHeader];
  copy_from(header, c.readable);
  const iovec& last =
      *std::find_if(c.writable.rbegin(), c.writable.rend(), [](auto& v) { return v.iov_len; });
  r.status = static_cast<u8*>(last.iov_base) + last.iov_len - 1;
  const u64 sector = load_le<u64>(header + 8);
  const auto refuse = [&](u8 status) { finish(r, status, 0); };
  switch (load_le<u32>(header)) {
    case kIn:
      if (!transfer(r, BlockOp::Read, sector)) refuse(kIoError);
      return;
    case kOut:
      if (!transfer(r, BlockOp::Write, sector)) refuse(kIoError);
      return;
    case kFlushRequest: return submit(r, {BlockOp::Flush, 0, 0, {}, {}});
    case kGetId: return finish(r, status_byte(give_serial(r)), kSerialSize);
    case kDiscardRequest:
      if (!clear_range(r, BlockOp::Discard)) refuse(kUnsupported);
      return;
    case kZeroRequest:
      if (!clear_range(r, BlockOp::WriteZeroes)) refuse(kUnsupported);
      return;
    default: refuse(kUnsupported);
  }
}

BlockStatus Block::transfer(Request& r, BlockOp op, u64 sector) {
  const bool read = op == BlockOp::Read;
  const u64 length = read ? r.chain.to_write - 1 : r.chain.to_read - kHeader;
  const u64 sectors = geometry_.bytes / kSectorSize;
  if (length % kSectorSize || sector > sectors || length / kSectorSize > sectors - sector)
    return BlockStatus::IoError;
  if (!read && geometry_.read_only) return BlockStatus::ReadOnly;
  r.written = read ? static_cast<u32>(length) : 0;
  Buffers data = read ? slice(r.chain.writable, 0, length) : slice(r.chain.readable, kHeader, length);
  if (read && allowance_.read(medium_, sector * kSectorSize, length, data))
    return finish(r, kOk, r.written), BlockStatus::Ok;
  submit(r, {op, sector * kSectorSize, length, std::move(data), {}});
  return BlockStatus::Ok;
}

BlockStatus Block::give_serial(Request& r) {
  if (r.chain.to_write < kSerialSize + 1) return BlockStatus::IoError;
  u8 text[kSerialSize] = {};
  std::memcpy(text, serial_.data(), std::min<std::size_t>(serial_.size(), kSerialSize));
  copy_to(slice(r.chain.writable, 0, kSerialSize), text);
  return BlockStatus::Ok;
}

bool Block::clear_range(Request& r, BlockOp op) {
  if (geometry_.read_only || r.chain.to_read != kHeader + kRange) return false;
  u8 range[kRange];
  copy_from(range, slice(r.chain.readable, kHeader, kRange));
  const u64 sector = load_le<u64>(range), count = load_le<u32>(range + 8);
  const u32 flags = load_le<u32>(range + 12);
  const u64 sectors = geometry_.bytes / kSectorSize;
  if (flags & ~(op == BlockOp::WriteZeroes ? kUnmap : 0)) return false;
  if (count > kMaxClearSectors || sector > sectors || count > sectors - sector) {
    finish(r, kIoError, 0);
    return true;
  }
  submit(r, {op, sector * kSectorSize, count * kSectorSize, {}, {}});
  return true;
}

void Block::submit(Request& r, BlockRequest what) {
  hold();
  what.done = [this, &r](BlockStatus status) {
    const auto held = lock();
    finish(r, status_byte(status), status ? r.written : 0);
    release();
  };
  medium_.submit(std::move(what));
}

// `written`: bytes of data, which lie before the status. What the driver gave in between counts as written.
void Block::finish(Request& r, u8 status, u32 written) {
  *r.status = status;
  const u64 to_write = r.chain.to_write;
  const bool all = u64{written} + 1 == to_write;
  complete(r.queue, r.chain, static_cast<u32>(all ? written + 1 : to_write));
  r.written = 0;
  idle_.push_back(&r);
}

}  // namespace tandem::devices::virtio
