// virtio-blk (VIRTIO 1.2, 5.2). Requests go to the back end as the driver made them, without a copy; they end
// on its threads.
#pragma once

#include <deque>

#include "devices/backend/block/block_backend.h"
#include "devices/virtio/model.h"

namespace tandem::devices::virtio {

class Block final : public Model {
 public:
  // `serial`: 20 characters at most. The back end stays with the caller.
  Block(const machine::DeviceContext& context, std::string name, BlockBackend& medium, std::string serial,
        u16 queues);
  ~Block() override;

  Result<void> quiesce() override { return medium_.drain(); }

 private:
  // Made once, used again: there are never more than the queues have places.
  struct Request {
    Chain chain;
    unsigned queue = 0;
    u8* status = nullptr;  // the last byte that the driver lets us write
    u32 written = 0;       // if all goes well
  };
  void kicked(unsigned queue) override;
  void start(Request& request);
  BlockStatus transfer(Request& request, BlockOp op, u64 sector);
  BlockStatus give_serial(Request& request);
  // Sectors to discard or to clear; the device takes one range a request.
  bool clear_range(Request& request, BlockOp op);
  void submit(Request& request, BlockRequest what);
  void finish(Request& request, u8 status, u32 written);
  Request* idle_request();

  BlockBackend& medium_;
  const std::string serial_;
  const BlockGeometry geometry_;
  ReadAllowance allowance_;  // of this notification
  std::deque<Request> requests_;
  std::vector<Request*> idle_;
};

}  // namespace tandem::devices::virtio
