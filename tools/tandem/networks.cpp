#include "tools/tandem/networks.h"

#include "core/config/vif_spec.h"
#include "core/config/vsock_spec.h"
#include "devices/backend/net/host_routes.h"
#include "devices/backend/net/slirp_network.h"
#include "devices/backend/net/tap_network.h"
#include "devices/backend/vsock/vsock_network.h"

namespace tandem::tools {

using config::VifModel;
using config::VifSpec;
using config::VifType;

namespace {

Result<std::unique_ptr<devices::Network>> open_network(const VifSpec& spec) {
  if (spec.type == VifType::Tap) return devices::TapNetwork::create(spec.interface, spec.mtu);
  // What a driver of virtio-net is told, one of an e1000 has to be set to.
  constexpr u16 kEthernetMtu = 1500;
  const u16 mtu = spec.mtu == 0 && spec.model == VifModel::E1000 ? kEthernetMtu : spec.mtu;
  devices::SlirpOptions options{spec.restricted, mtu, {}};
  for (const std::string& text : spec.forwards) {
    TANDEM_TRY_ASSIGN(forward, devices::parse_forward(text));
    options.forwards.push_back(forward);
  }
  return devices::SlirpNetwork::create(options);
}

// The same at each start of a guest with the same UUID: QEMU's prefix and three bytes (FNV-1a).
std::array<u8, 6> default_mac(const std::string& uuid, std::size_t number) {
  u32 hash = 2166136261;
  for (const char c : uuid) hash = (hash ^ static_cast<u8>(c)) * 16777619;
  hash += static_cast<u32>(number);
  return {0x52, 0x54, 0x00, static_cast<u8>(hash >> 16), static_cast<u8>(hash >> 8), static_cast<u8>(hash)};
}

Result<void> add(const VifSpec& spec, const std::string& uuid, Guest& guest) {
  if (spec.type == VifType::None) return {};
  std::unique_ptr<devices::PcapFile> capture;
  if (!spec.capture.empty()) {
    TANDEM_TRY_ASSIGN(file, devices::PcapFile::create(spec.capture));
    capture = std::move(file);
  }
  TANDEM_TRY_ASSIGN(network, open_network(spec));
  auto& virtio = guest.config.virtio.nets;
  auto& e1000 = guest.config.e1000;
  const auto mac = spec.mac.value_or(default_mac(uuid, virtio.size() + e1000.size()));
  (spec.model == VifModel::E1000 ? e1000 : virtio)
      .push_back({std::make_unique<devices::NetBackend>(std::move(network), std::move(capture)), mac});
  if (spec.type == VifType::User && !spec.restricted && guest.notes.empty() &&
      !devices::host_has_default_route())
    guest.notes.push_back("vif: this host has no route to other networks; the guest reaches this host alone");
  return {};
}

}  // namespace

Result<void> open_networks(const config::Settings& settings, Guest& guest) {
  std::vector<VifSpec> specs;
  for (const std::string& text : settings.vif) {
    TANDEM_TRY_ASSIGN(spec, config::parse_vif_spec(text));
    specs.push_back(spec);
  }
  if (settings.vif.empty()) specs.emplace_back();
  for (const VifSpec& spec : specs) {
    auto added = add(spec, settings.uuid, guest);
    if (!added) return std::move(added.error()).in("vif");
  }
  return {};
}

Result<void> open_vsock(const config::Settings& settings, Guest& guest) {
  if (settings.vsock.empty()) return {};
  TANDEM_TRY_ASSIGN(spec, config::parse_vsock_spec(settings.vsock));
  auto network = devices::vsock::VsockNetwork::create(spec.cid, spec.path);
  if (!network) return std::move(network.error()).in("vsock");
  guest.config.virtio.vsock.emplace(std::make_unique<devices::NetBackend>(network.take()), spec.cid);
  return {};
}

}  // namespace tandem::tools
