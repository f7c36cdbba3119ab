// BlockBackend: the host's end of a disk, a CD-ROM or a floppy. IDE, AHCI, virtio-blk and Xen's block device
// share it.
#pragma once

#include <functional>

#include "core/base/result.h"
#include "devices/backend/block/buffers.h"

namespace tandem::devices {

inline constexpr u64 kSectorSize = 512;

// How a request ended. What an operating system says is one of these to a guest.
class [[nodiscard]] BlockStatus {
 public:
  enum Code : u8 { Ok, IoError, NoSpace, ReadOnly };
  constexpr BlockStatus(Code code) : code_(code) {}
  explicit operator bool() const { return code_ == Ok; }
  BlockStatus& error() { return *this; }  // for TANDEM_TRY
  bool operator==(const BlockStatus&) const = default;

 private:
  Code code_;
};

struct BlockGeometry {
  u64 bytes = 0;  // a multiple of kSectorSize
  bool read_only = false;
};

enum class BlockOp : u8 { Read, Write, Flush, Discard, WriteZeroes };

struct BlockRequest {
  BlockOp op = BlockOp::Read;
  // In bytes, multiples of kSectorSize, inside the geometry; nothing for Flush.
  u64 offset = 0, length = 0;
  // Read, Write: `length` bytes in all. They must stay until done() is called; no copy is made.
  Buffers buffers;
  // On an I/O thread, with no lock of the back end held; may submit() more.
  std::function<void(BlockStatus)> done;
};

class BlockBackend {
 public:
  // Waits for what is under way.
  virtual ~BlockBackend() = default;
  virtual BlockGeometry geometry() const = 0;
  // Requests that are under way together have no order. A Flush makes lasting what was done before it was
  // submitted. Never waits for the host. [any-thread]
  virtual void submit(BlockRequest request) = 0;
  // Reads what the host has at hand, without waiting for anything. False: it has not; submit() will do.
  // [any-thread]
  virtual bool read_now(u64 /*offset*/, const Buffers& /*to*/) { return false; }
  // Waits until nothing is under way, and makes it lasting; not from done().
  virtual Result<void> drain() = 0;
};

// What one access of a driver may have read at once, without a thread that is woken for it: copying all of it
// takes the host 0.1 ms or so.
class ReadAllowance {
 public:
  void renew() { left_ = kBytes; }
  // False: as for read_now(), or it is used up.
  bool read(BlockBackend& medium, u64 offset, u64 length, const Buffers& to) {
    if (length > left_ || !medium.read_now(offset, to)) return false;
    left_ -= length;
    return true;
  }

 private:
  static constexpr u64 kBytes = MiB;
  u64 left_ = 0;
};

}  // namespace tandem::devices
