#include "devices/backend/vsock/packet.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices::vsock {

Header parse(std::span<const u8> b) {
  Header h;
  h.from_cid = load_le<u64>(&b[0]);
  h.to_cid = load_le<u64>(&b[8]);
  h.from_port = load_le<u32>(&b[16]);
  h.to_port = load_le<u32>(&b[20]);
  h.length = load_le<u32>(&b[24]);
  h.type = load_le<u16>(&b[28]);
  h.op = static_cast<Op>(load_le<u16>(&b[30]));
  h.flags = load_le<u32>(&b[32]);
  h.room = load_le<u32>(&b[36]);
  h.taken = load_le<u32>(&b[40]);
  return h;
}

void store(const Header& h, std::span<u8> b) {
  store_le(&b[0], h.from_cid);
  store_le(&b[8], h.to_cid);
  store_le(&b[16], h.from_port);
  store_le(&b[20], h.to_port);
  store_le(&b[24], h.length);
  store_le(&b[28], h.type);
  store_le(&b[30], static_cast<u16>(h.op));
  store_le(&b[32], h.flags);
  store_le(&b[36], h.room);
  store_le(&b[40], h.taken);
}

std::vector<u8> encode(const Header& header, std::span<const u8> data) {
  std::vector<u8> bytes(kHeaderSize + data.size());
  store(header, bytes);
  std::ranges::copy(data, bytes.begin() + kHeaderSize);
  return bytes;
}

}  // namespace tandem::devices::vsock
