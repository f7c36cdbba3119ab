#include "tools/tandem/engines.h"

#include <fmt/format.h>

#include "core/interp/interp_engine.h"
#include "hwassist/kvm_engine.h"
#include "hwassist/probe/probe.h"
#include "jit/dump/code_dump.h"
#include "jit/jit_engine.h"

namespace tandem::tools {

namespace {

EngineChoice interpreter(std::string reason) {
  return {"interp", std::move(reason), interp::make_interp_engine()};
}

Result<EngineChoice> translator(const config::Settings& s, std::string reason) {
  TANDEM_TRY_ASSIGN(parsed, jit::parse_options(s.jit));
  std::shared_ptr<jit::CodeObserver> observer;
  if (!s.dump.empty()) {
    TANDEM_TRY_ASSIGN(dump, jit::make_code_dump(s.dump));
    observer = std::move(dump);
  }
  return EngineChoice{"jit", std::move(reason), jit::make_jit_engine(parsed, std::move(observer))};
}

Result<EngineChoice> with_kvm(const config::Settings& s, const hwassist::Verdict& verdict) {
  TANDEM_TRY_ASSIGN(software, translator(s, {}));
  return EngineChoice{
      "kvm", verdict.reason,
      hwassist::make_kvm_engine(hwassist::kvm::make_host(), std::move(software.engine), verdict)};
}

hwassist::Verdict probed() { return hwassist::judge(hwassist::probe_kvm(hwassist::kvm::make_host())); }

Result<EngineChoice> by_probe(const config::Settings& s) {
  const hwassist::Verdict verdict = probed();
  if (verdict.assist == hwassist::Assist::Full) return with_kvm(s, verdict);
  return translator(s, verdict.reason);
}

// engine=kvm takes what there is of KVM; where there is nothing, it falls back, unless that is not wanted.
Result<EngineChoice> assisted(const config::Settings& s, bool insist) {
  const hwassist::Verdict verdict = probed();
  if (verdict.assist != hwassist::Assist::None) return with_kvm(s, verdict);
  if (insist) return host_error(fmt::format("engine kvm: {}", verdict.reason));
  return translator(s, verdict.reason);
}

}  // namespace

Result<EngineChoice> choose_engine(const config::Settings& s) {
  const std::string& wanted = s.engine;
  const bool insist = wanted.ends_with('!');
  const std::string name = insist ? wanted.substr(0, wanted.size() - 1) : wanted;
  if (name == "interp") {
    if (!s.dump.empty()) return user_error("dump: the interpreter makes no code");
    return interpreter("asked for");
  }
  if (name == "jit") return translator(s, "asked for");
  if (name == "auto") return by_probe(s);
  if (name != "kvm") return user_error(fmt::format("engine: '{}' is none of auto, interp, jit, kvm", wanted));
  return assisted(s, insist);
}

}  // namespace tandem::tools
