#include "devices/virtio/plan9.h"

namespace tandem::devices::virtio {

namespace {

constexpr u64 kMountTag = 1;
constexpr u64 kTagLength = 0, kTag = 2;
constexpr u16 kQueueSize = 128;

}  // namespace

Plan9::Plan9(const machine::DeviceContext& context, std::string name, p9::Server& server,
             std::string_view tag)
    : ServedModel(context, {DeviceType::Plan9, std::move(name), 0x000200}, kMountTag, {kQueueSize}),
      server_(server) {
  set_config(kTagLength, static_cast<u16>(tag.size()));
  for (std::size_t i = 0; i < tag.size(); ++i) set_config(kTag + i, tag[i]);
  start_serving();
}

u32 Plan9::serve(unsigned, const Chain& chain) {
  return static_cast<u32>(server_.serve(chain.readable, chain.writable));
}

std::function<void()> Plan9::load_own(snapshot::StateReader& reader) {
  p9::ServerState state;
  reader(state);
  return [this, state] { server_.set_state(state); };
}

}  // namespace tandem::devices::virtio
