#include "tools/tandem/engines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/interp/interp_engine.h"
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

}  // namespace

std::string kvm_obstacle() {
  const int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) return fmt::format("/dev/kvm: {}", std::strerror(errno));
  close(fd);
  return {};
}

Result<EngineChoice> choose_engine(const config::Settings& s) {
  const std::string& wanted = s.engine;
  const bool insist = wanted.ends_with('!');
  const std::string name = insist ? wanted.substr(0, wanted.size() - 1) : wanted;
  if (name == "interp") {
    if (!s.dump.empty()) return user_error("dump: the interpreter makes no code");
    return interpreter("asked for");
  }
  if (name == "jit") return translator(s, "asked for");
  if (name == "auto") return translator(s, "the fastest engine in this build");
  if (name != "kvm") return user_error(fmt::format("engine: '{}' is none of auto, interp, jit, kvm", wanted));
  const std::string absent = fmt::format("engine {} is not in this build", name);
  if (insist) return host_error(absent);
  return translator(s, absent);
}

}  // namespace tandem::tools
