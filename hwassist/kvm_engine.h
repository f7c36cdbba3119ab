// The engine with hardware assistance: KVM where the probe found it of use, a software engine for the rest.
#pragma once

#include <memory>

#include "core/cpu/engine.h"
#include "hwassist/findings.h"
#include "hwassist/kvm/host.h"

namespace tandem::hwassist {

std::unique_ptr<cpu::Engine> make_kvm_engine(std::shared_ptr<kvm::Host> host,
                                             std::unique_ptr<cpu::Engine> software, const Verdict& verdict);

}  // namespace tandem::hwassist
