#include "tools/tandem/control/guest_control.h"

#include <fmt/format.h>
#include <unistd.h>

#include "devices/backend/png_file.h"
#include "tools/tandem/control/input_verbs.h"
#include "tools/tandem/disks.h"

namespace tandem::tools {

GuestControl::GuestControl(devices::Pc& pc, const config::Settings& settings, EngineMaker& maker,
                           Clipboard* clipboard, std::function<void()> quit)
    : pc_(pc),
      settings_(settings),
      maker_(maker),
      clipboard_(clipboard),
      quit_(std::move(quit)),
      verbs_(verbs()),
      cds_(cd_drives(settings)) {}

Json GuestControl::execute(std::string_view line) {
  const std::lock_guard lock(verbs_mutex_);
  return verbs_.execute(line);
}

Verbs GuestControl::verbs() {
  // What answers with nothing but "ok".
  const auto action = [](std::function<void()> f) {
    return [f = std::move(f)](const Json&) -> Result<Json> { return f(), Json::object(); };
  };
  Verbs verbs;
  verbs.add("status", [this](const Json&) { return status(); });
  verbs.add("pause", [this](const Json&) { return pause(); });
  verbs.add("resume", [this](const Json&) { return resume(); });
  verbs.add("reset", action([this] { pc_.request_reset(); }));
  verbs.add("poweroff", action([this] { pc_.power_button(); }));
  verbs.add("nmi", action([this] { pc_.nmi(); }));
  verbs.add("quit", action(quit_));
  verbs.add("engine", [this](const Json& request) { return engine(request); });
  verbs.add("screenshot", [this](const Json& request) { return screenshot(request); });
  verbs.add("stats", [this](const Json&) { return statistics(); });
  add_input_verbs(verbs, pc_.input());
  verbs.add("gdb", [this](const Json& request) { return gdb(request); });
  verbs.add("monitor", [this](const Json& request) { return monitor(request); });
  verbs.add("net-forward", [this](const Json& request) { return forward(request); });
  verbs.add("balloon", [this](const Json& request) { return balloon(request); });
  verbs.add("display-size", [this](const Json& request) { return display_size(request); });
  verbs.add("cd-change", [this](const Json& request) { return change_cd(request); });
  verbs.add("clipboard", [this](const Json& request) { return clipboard(request); });
  return verbs;
}

Result<Json> GuestControl::status() {
  return Json{{"name", settings_.name},
              {"uuid", settings_.uuid},
              {"pid", getpid()},
              {"state", pause_ ? "paused" : "running"},
              {"engine", engine_name()},
              {"vcpus", pc_.machine().vcpu_count()},
              {"memory", settings_.memory / MiB},
              {"cd", cds_}};
}

Result<Json> GuestControl::pause() {
  if (!pause_) pause_.emplace(pc_.machine());
  return Json{{"state", "paused"}};
}

Result<Json> GuestControl::resume() {
  pause_.reset();
  return Json{{"state", "running"}};
}

std::string GuestControl::engine_name() {
  machine::Machine& m = pc_.machine();
  const std::lock_guard lock(m.state_mutex());
  return std::string(m.engine_name());
}

// Kept, since the choice takes longer than the switch: it may have to try out what the host can do.
Result<cpu::Engine*> GuestControl::engine_of(const std::string& name) {
  if (const auto known = engines_.find(name); known != engines_.end()) return known->second.get();
  config::Settings wanted = settings_;
  wanted.engine = name + (name.ends_with('!') ? "" : "!");
  TANDEM_TRY_ASSIGN(choice, maker_.choose(wanted));
  return engines_.emplace(name, std::move(choice.engine)).first->second.get();
}

Result<std::string> GuestControl::switch_engine(const std::string& name) {
  const std::lock_guard lock(engines_mutex_);
  TANDEM_TRY_ASSIGN(engine, engine_of(name));
  TANDEM_TRY(pc_.machine().switch_engine(*engine));
  return engine_name();
}

Result<Json> GuestControl::engine(const Json& request) {
  if (!request.contains("to")) return Json{{"engine", engine_name()}};
  TANDEM_TRY_ASSIGN(wanted, text_of(request, "to"));
  TANDEM_TRY_ASSIGN(name, switch_engine(wanted));
  return Json{{"engine", name}};
}

Result<Json> GuestControl::gdb(const Json& request) {
  if (!request.contains("at")) return Json{{"at", gdb_ ? gdb_->place() : "off"}};
  TANDEM_TRY_ASSIGN(at, text_of(request, "at"));
  if (at == "off") return stop_gdb(), Json{{"at", "off"}};
  TANDEM_TRY_ASSIGN(address, parse_gdb_address(at));
  return start_gdb(address);
}

Result<Json> GuestControl::start_gdb(const GdbAddress& address) {
  gdb_.reset();
  TANDEM_TRY_ASSIGN(server, GdbServer::listen(address));
  gdb_ = std::move(server);
  gdb_->serve(pc_.machine(),
              {.arch = {}, .has_long_mode = pc_.machine().model().has(cpu::Feature::lm), .kill = quit_},
              [this](debug::Monitor& monitor) { add_monitor_commands(monitor); });
  return Json{{"at", gdb_->place()}};
}

void GuestControl::add_monitor_commands(debug::Monitor& monitor) {
  monitor.add("engine", "[interp|jit|kvm]: says or switches the engine", [this](std::string_view words) {
    if (words.empty()) return engine_name() + "\n";
    const auto name = switch_engine(std::string(words));
    return (name ? name.value() : name.error().message) + "\n";
  });
  monitor.add("irqchips", "what the interrupt controllers are at",
              [this](auto) { return pc_.interrupt_text(); });
}

// As in a debugger, while the guest stands still.
Result<Json> GuestControl::monitor(const Json& request) {
  TANDEM_TRY_ASSIGN(words, texts_of(request, "line"));
  debug::Target target(pc_.machine(), [] {});
  debug::Monitor monitor(target);
  add_monitor_commands(monitor);
  const machine::Machine::Hold hold(pc_.machine());
  return Json{{"text", monitor.execute(fmt::to_string(fmt::join(words, " ")), 0)}};
}

Result<Json> GuestControl::screenshot(const Json& request) {
  TANDEM_TRY_ASSIGN(path, text_of(request, "to"));
  if (!pc_.display()) return user_error("screenshot: the guest has no display");
  const devices::Picture picture = pc_.display()->picture();
  TANDEM_TRY(devices::PngFile(path).show(picture));
  return Json{{"width", picture.width}, {"height", picture.height}};
}

Result<Json> GuestControl::statistics() {
  machine::Machine& m = pc_.machine();
  const auto counted = [&] {
    return Json{{"engine", m.engine_name()},
                {"retired", m.retired()},
                {"guest_seconds", static_cast<double>(raw(m.clock().now())) / 1e9},
                {"counters", m.statistics()}};
  };
  return m.while_held(counted, machine::Machine::Hold::Time::GoesOn);
}

Result<Json> GuestControl::forward(const Json& request) {
  TANDEM_TRY_ASSIGN(text, text_of(request, "forward"));
  TANDEM_TRY_ASSIGN(what, devices::parse_forward(text));
  TANDEM_TRY(pc_.forward(what));
  return Json::object();
}

Result<Json> GuestControl::balloon(const Json& request) {
  TANDEM_TRY_ASSIGN(mebibytes, number_of(request, "memory"));
  if (mebibytes < 0) return user_error("balloon: memory is a number of MiB");
  TANDEM_TRY(pc_.set_balloon(static_cast<u64>(mebibytes) * MiB));
  return Json::object();
}

Result<Json> GuestControl::display_size(const Json& request) {
  constexpr i64 kLargest = 1 << 16;
  TANDEM_TRY_ASSIGN(width, number_of(request, "width"));
  TANDEM_TRY_ASSIGN(height, number_of(request, "height"));
  if (width < 1 || height < 1 || width > kLargest || height > kLargest)
    return user_error("display-size: width and height are numbers of pixels");
  if (!pc_.display() || !pc_.display()->want_size(static_cast<u32>(width), static_cast<u32>(height)))
    return user_error("display-size: only a guest with vga=virtio can be told");
  return Json::object();
}

Result<Json> GuestControl::change_cd(const Json& request) {
  TANDEM_TRY_ASSIGN(unit, text_of(request, "unit"));
  std::string target;
  if (request.contains("target")) {
    TANDEM_TRY_ASSIGN(named, text_of(request, "target"));
    target = std::move(named);
  }
  TANDEM_TRY_ASSIGN(cd, open_cd("devtype=cdrom,access=ro,vdev=" + unit + ",target=" + target));
  TANDEM_TRY(pc_.change_cd(cd.place, std::move(cd.medium)));
  cds_[unit] = target;
  return Json::object();
}

Result<Json> GuestControl::clipboard(const Json& request) {
  if (!clipboard_) return user_error("clipboard: this guest does not share it; see clipboard=on");
  if (!request.contains("text")) return Json{{"text", clipboard_->text()}};
  TANDEM_TRY_ASSIGN(text, text_of(request, "text"));
  if (text.size() > Clipboard::kMaxText) return user_error("clipboard: takes 1 MiB at most");
  clipboard_->set(text);
  return Json::object();
}

}  // namespace tandem::tools
