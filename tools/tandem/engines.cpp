#include "tools/tandem/engines.h"

#include <fmt/format.h>

#include "core/interp/interp_engine.h"
#include "hwassist/kvm_engine.h"
#include "hwassist/probe/probe.h"
#include "jit/dump/code_dump.h"
#include "jit/jit_engine.h"
#include "tools/verify/verifying_engine.h"

namespace tandem::tools {

namespace {

// The one that verify= has a second look with translates at once, and keeps to the memory that it is given.
void verify(EngineChoice& choice, const verify::Options& options, jit::JitOptions second_look) {
  second_look.threshold = 0;
  second_look.hosted.on = false;
  verify::Parts parts{
      .name = choice.name, .engine = std::move(choice.engine), .again = jit::make_jit_engine(second_look)};
  if (options.kvm) parts.steppers.push_back(verify::make_kvm_stepper);
  parts.steppers.push_back(verify::make_interp_stepper);
  parts.report = [](const std::string& text) { fmt::print(stderr, "{}", text); };
  choice.reason += fmt::format("; 1 of {} instructions is verified, seed {}", options.one_in, options.seed);
  choice.engine = verify::make_verifying_engine(options, std::move(parts));
}

Result<EngineChoice> interpreter(const config::Settings& s) {
  if (!s.dump.empty()) return user_error("dump: the interpreter makes no code");
  if (!s.verify.empty()) return user_error("verify: the interpreter is what others are held against");
  return EngineChoice{"interp", "asked for", interp::make_interp_engine()};
}

}  // namespace

const hwassist::Findings& EngineMaker::kvm() {
  const std::lock_guard lock(mutex_);
  if (!kvm_) kvm_ = hwassist::probe_kvm(hwassist::kvm::make_host());
  return *kvm_;
}

Result<EngineChoice> EngineMaker::translator(const config::Settings& s, std::string reason) {
  TANDEM_TRY_ASSIGN(options, jit::parse_options(s.jit));
  TANDEM_TRY_ASSIGN(verified, verify::parse_options(s.verify));
  if (verified.one_in) options.exact_count = true;
  std::shared_ptr<jit::CodeObserver> observer;
  if (!s.dump.empty()) {
    TANDEM_TRY_ASSIGN(dump, jit::make_code_dump(s.dump));
    observer = std::move(dump);
  }
  EngineChoice choice{"jit", std::move(reason), jit::make_jit_engine(options, std::move(observer))};
  if (!verified.one_in) return choice;
  if (const hwassist::Verdict verdict = verified.kvm ? hwassist::judge(kvm()) : hwassist::Verdict{};
      verified.kvm && verdict.assist == hwassist::Assist::None)
    return host_error(fmt::format("verify: {}", verdict.reason));
  verify(choice, verified, options);
  return choice;
}

Result<EngineChoice> EngineMaker::with_kvm(const config::Settings& s, const hwassist::Verdict& verdict) {
  if (!s.verify.empty()) return user_error("verify: KVM counts no instructions; engine=jit can be verified");
  TANDEM_TRY_ASSIGN(software, translator(s, {}));
  return EngineChoice{
      "kvm", verdict.reason,
      hwassist::make_kvm_engine(hwassist::kvm::make_host(), std::move(software.engine), verdict)};
}

Result<EngineChoice> EngineMaker::by_verdict(const config::Settings& s) {
  const hwassist::Verdict verdict = hwassist::judge(kvm());
  if (verdict.assist == hwassist::Assist::Full && s.verify.empty()) return with_kvm(s, verdict);
  return translator(s, verdict.reason);
}

// engine=kvm takes what there is of KVM; where there is nothing, it falls back, unless that is not wanted.
Result<EngineChoice> EngineMaker::assisted(const config::Settings& s, bool insist) {
  const hwassist::Verdict verdict = hwassist::judge(kvm());
  if (verdict.assist != hwassist::Assist::None) return with_kvm(s, verdict);
  if (insist) return host_error(fmt::format("engine kvm: {}", verdict.reason));
  return translator(s, verdict.reason);
}

Result<EngineChoice> EngineMaker::choose(const config::Settings& s) {
  const std::string& wanted = s.engine;
  const bool insist = wanted.ends_with('!');
  const std::string name = insist ? wanted.substr(0, wanted.size() - 1) : wanted;
  if (name == "interp") return interpreter(s);
  if (name == "jit") return translator(s, "asked for");
  if (name == "auto") return by_verdict(s);
  if (name != "kvm") return user_error(fmt::format("engine: '{}' is none of auto, interp, jit, kvm", wanted));
  return assisted(s, insist);
}

}  // namespace tandem::tools
