#include "devices/backend/vnc/vnc_extended_keys.h"

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

constexpr int kExtendedKeyEncoding = -258;
constexpr u8 kQemuMessage = 255, kKeyEvent = 0;

// libvncserver keeps a list of extensions, of which each is one object for all.
struct Extension {
  rfbProtocolExtension listed{};
  int encodings[2] = {kExtendedKeyEncoding, 0};
  ExtendedKeyTaken taken = nullptr;
};
Extension& extension() {
  static Extension one;
  return one;
}

// A viewer that can say so is told, by a rectangle of that encoding, that it may.
rfbBool enable(rfbClientPtr client, void**, int encoding) {
  if (encoding != kExtendedKeyEncoding) return FALSE;
  struct [[gnu::packed]] {
    u8 type = rfbFramebufferUpdate, padding = 0;
    u16 rectangles = __builtin_bswap16(1), x = 0, y = 0, width, height;
    u32 encoding = __builtin_bswap32(static_cast<u32>(kExtendedKeyEncoding));
  } told;
  told.width = __builtin_bswap16(static_cast<u16>(client->screen->width));
  told.height = __builtin_bswap16(static_cast<u16>(client->screen->height));
  return rfbWriteExact(client, reinterpret_cast<const char*>(&told), sizeof told) > 0;
}

rfbBool handle(rfbClientPtr client, void*, const rfbClientToServerMsg* message) {
  if (message->type != kQemuMessage) return FALSE;
  struct [[gnu::packed]] {
    u8 kind;
    u16 pressed;
    u32 keysym, scan_code;
  } said;
  if (rfbReadExact(client, reinterpret_cast<char*>(&said), sizeof said) <= 0 || said.kind != kKeyEvent) {
    rfbCloseClient(client);
    return TRUE;
  }
  extension().taken(client, __builtin_bswap32(said.scan_code), __builtin_bswap32(said.keysym),
                    said.pressed != 0);
  return TRUE;
}

}  // namespace

void take_extended_keys(ExtendedKeyTaken taken) {
  Extension& e = extension();
  if (e.taken) return;
  e.taken = taken;
  e.listed.pseudoEncodings = e.encodings;
  e.listed.enablePseudoEncoding = enable;
  e.listed.handleMessage = handle;
  rfbRegisterProtocolExtension(&e.listed);
}

}  // namespace tandem::devices
