// What a network adapter does to a frame before it is on the wire: checksums, and TCP segments (and UDP
// fragments of their kind) of one large one. Pure functions of the frame and of what the driver said where
// things are in it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices {

// Of one checksum: the part it is over (`end`: its last byte; 0: to the end of the frame), and where it goes.
struct SumPlace {
  u16 start = 0, offset = 0, end = 0;
  static void fields(auto& a, auto& s) { a(s.start, s.offset, s.end); }
};

// False: the places are not in the frame, and nothing happened.
bool insert_sum(std::span<u8> frame, const SumPlace& place);

struct SegmentPlan {
  SumPlace ip, transport;
  u16 header_bytes = 0;  // copied in front of each segment
  u16 segment_bytes = 0;
  bool ipv4 = false, tcp = false;
  bool sum_ip = false, sum_transport = false;
};

// Calls `out` with each segment. What does not fit the plan gives nothing.
void segment(std::span<const u8> frame, const SegmentPlan& plan,
             const std::function<void(std::span<const u8>)>& out);

}  // namespace tandem::devices
