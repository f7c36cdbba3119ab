// Finds out what a KVM can do by running code on it: that /dev/kvm opens proves nothing. Some 30 ms.
#pragma once

#include <memory>

#include "hwassist/findings.h"
#include "hwassist/kvm/host.h"

namespace tandem::hwassist {

Findings probe_kvm(std::shared_ptr<kvm::Host> host);

}  // namespace tandem::hwassist
