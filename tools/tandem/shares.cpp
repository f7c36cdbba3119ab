#include "tools/tandem/shares.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "core/config/p9_spec.h"

namespace tandem::tools {

namespace {

// Each file that the guest knows costs a descriptor; the usual limit is for programs that know a few.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<void> open_shares(const config::Settings& settings, devices::PcConfig& config) {
  auto& shares = config.virtio.shares;
  for (const std::string& text : settings.p9) {
    TANDEM_TRY_ASSIGN(spec, config::parse_p9_spec(text));
    if (std::ranges::any_of(shares, [&](const auto& s) { return s.tag == spec.tag; }))
      return user_error(fmt::format("p9: tag {} is given twice", spec.tag));
    auto server = devices::p9::Server::open(spec.path, spec.read_only);
    if (!server) return std::move(server.error()).in("p9");
    shares.push_back({spec.tag, server.take()});
  }
  if (!shares.empty()) allow_many_descriptors();
  return {};
}

}  // namespace tandem::tools
