// The "QEMU Extended Key Event" of the RFB protocol (community specification, "rfbproto"): viewers say places
// on the keyboard.
#pragma once

#include <rfb/rfb.h>

#include "core/base/types.h"

namespace tandem::devices {

// Makes libvncserver take such events, for all servers of this process; may be called again. taken: called
// for each, on the thread of its server.
using ExtendedKeyTaken = void (*)(rfbClientPtr client, u32 scan_code, u32 keysym, bool pressed);
void take_extended_keys(ExtendedKeyTaken taken);

}  // namespace tandem::devices
