// tandem run: one guest, from its settings to its exit status.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <random>

#include "core/config/command_line.h"
#include "core/trace/trace_file.h"
#include "devices/backend/png_file.h"
#include "tools/tandem/commands.h"
#include "tools/tandem/control/guest_control.h"
#include "tools/tandem/control/paths.h"
#include "tools/tandem/control/server.h"
#include "tools/tandem/display/face.h"
#include "tools/tandem/engines.h"
#include "tools/tandem/guest.h"
#include "tools/tandem/report.h"
#include "tools/tandem/stats.h"
#include "tools/tandem/supervisor.h"

namespace tandem::tools {

using config::Settings;
using machine::RunOutcome;
using Kind = RunOutcome::Kind;

namespace {

std::string random_uuid() {  // RFC 4122, version 4
  std::random_device random;
  const u64 high = ((u64{random()} << 32 | random()) & ~u64{0xf000}) | 0x4000;
  const u64 low = ((u64{random()} << 32 | random()) & ~(u64{3} << 62)) | u64{2} << 62;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff,
                     low >> 48, low & 0xffffffffffff);
}

void print_help() {
  fmt::print("tandem run [FILE.cfg] [--key value]...\n\n");
  for (const config::Option& o : config::options()) fmt::print("  --{:12} {}\n", o.key, o.help);
  fmt::print("  --print-config prints the settings as a guest file\n");
}

// What the guest's end means, without what was expected of it.
int status_of(const RunOutcome& outcome) {
  switch (outcome.kind) {
    case Kind::PowerOff:
    case Kind::Stopped: return kOk;
    case Kind::Reset: return kGuestReset;
    case Kind::TripleFault: return kGuestCrashed;
    case Kind::Panic: return kGuestPanicked;
    case Kind::DebugExit: return static_cast<int>((outcome.value << 1 | 1) & 0xff);
    case Kind::ExitPort: return static_cast<int>(outcome.value & 0xff);
    case Kind::HostError: return kHostRefused;
  }
  return kHostRefused;
}

std::string_view action_after(const Settings& s, Kind kind) {
  switch (kind) {
    case Kind::PowerOff: return s.on_poweroff;
    case Kind::Reset: return s.on_reboot;
    case Kind::TripleFault:
    case Kind::Panic: return s.on_crash;
    default: return "destroy";
  }
}

void describe(const RunOutcome& outcome) {
  if (outcome.kind == Kind::TripleFault)
    say("the guest crashed: " + (outcome.detail.empty() ? "triple fault" : outcome.detail));
  if (outcome.kind == Kind::Panic) say("the guest reported a panic");
  if (outcome.kind == Kind::Reset) say("the guest asked for a reset");
  if (outcome.kind == Kind::HostError) say(outcome.detail);
}

// By control=, or by the guest's name. A name that is taken, or a folder that can't be used, costs a guest
// nothing that nobody asked for.
Result<std::unique_ptr<ControlServer>> open_control(const Settings& s) {
  if (s.control == "none") return std::unique_ptr<ControlServer>();
  if (!s.control.empty()) {
    auto server = ControlServer::listen(s.control);
    if (!server) return std::move(server.error()).in("control");
    return server;
  }
  if (s.name.empty()) return std::unique_ptr<ControlServer>();
  if (const auto path = control_path(s.name); path) {
    auto server = ControlServer::listen(path.value());
    if (server) return server;
    say(fmt::format("control: {}; this guest goes without", server.error().message));
  }
  return std::unique_ptr<ControlServer>();
}

class Run {
 public:
  Run(const Settings& settings, EngineMaker& maker, EngineChoice engine)
      : settings_(settings), maker_(maker), engine_(std::move(engine)) {}

  int go() {
    if (const auto good = check_display(settings_); !good) return fail(good.error());
    auto made = make_guest(settings_, [this] { supervisor_.escape(); });
    if (!made) return fail(made.error());
    const std::unique_ptr<Guest> guest = made.take();
    if (const auto shared = share_clipboard(*guest); !shared) return fail(shared.error());
    auto control = open_control(settings_);
    if (!control) return fail(control.error());
    auto pc = devices::Pc::create(std::move(guest->config), *engine_.engine);
    if (!pc) return fail(pc.error());
    if (const auto traced = start_trace(pc.value()->machine()); !traced) return fail(traced.error());
    GuestControl guest_control(*pc.value(), settings_, maker_, clipboard_.get(),
                               [this] { supervisor_.quit(); });
    ControlServer* const server = control.value().get();
    if (server) server->serve([&](std::string_view line) { return guest_control.execute(line); });
    if (const auto waits = start_gdb(guest_control); !waits) return fail(waits.error());
    auto face = open_face(*pc.value(), settings_, guest_control);
    if (!face) return fail(face.error());
    say(fmt::format("engine {}: {}", engine_.name, engine_.reason));
    for (const std::string& note : guest->notes) say(note);
    supervisor_.start([&] { pc.value()->request_stop(); }, std::chrono::seconds(settings_.timeout));
    const auto started = std::chrono::steady_clock::now();
    auto outcome = run_with_actions(*pc.value());
    supervisor_.finish();
    face.value().reset();
    if (server) server->stop();
    guest_control.stop_gdb();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
    if (!outcome) return fail(outcome.error());
    if (!settings_.stats.empty()) {
      machine::Machine& m = pc.value()->machine();
      const auto written = write_stats(settings_.stats, m, m.statistics(), {engine_.name, taken.count()});
      if (!written) return fail(written.error());
    }
    if (const auto saved = save_screenshot(*pc.value()); !saved) return fail(saved.error());
    return exit_status(outcome.value(), *guest);
  }

 private:
  Result<void> share_clipboard(Guest& guest) {
    if (settings_.clipboard != "on") return {};
    TANDEM_TRY_ASSIGN(clipboard, Clipboard::create());
    clipboard_ = std::move(clipboard);
    guest.config.virtio.consoles.push_back({Clipboard::kPortName, clipboard_->take_guest_end()});
    return {};
  }

  Result<void> save_screenshot(devices::Pc& pc) {
    if (settings_.screenshot.empty()) return {};
    if (!pc.display()) return user_error("screenshot: the guest has no display");
    return devices::PngFile(settings_.screenshot).show(pc.display()->picture());
  }

  // POINTS as text on standard error, or POINTS:FILE as a file for tandem trace.
  Result<void> start_trace(machine::Machine& machine) {
    if (settings_.trace.empty()) return {};
    const std::size_t colon = settings_.trace.find(':');
    auto filter = trace::Filter::parse(settings_.trace.substr(0, colon));
    if (!filter) return std::move(filter.error()).in("trace");
    std::unique_ptr<trace::Sink> sink;
    if (colon == std::string::npos) {
      sink = trace::text_sink(stderr);
    } else {
      auto file = trace::file_sink(settings_.trace.substr(colon + 1));
      if (!file) return std::move(file.error()).in("trace");
      sink = file.take();
    }
    machine.tracer().start(filter.take(), std::move(sink));
    return {};
  }

  Result<void> start_gdb(GuestControl& control) {
    if (settings_.gdb.empty()) return {};
    TANDEM_TRY_ASSIGN(address, parse_gdb_address(settings_.gdb));
    TANDEM_TRY_ASSIGN(started, control.start_gdb(address));
    say(fmt::format("gdb: {} {}", address.paused ? "waits at" : "at", started["at"].get<std::string>()));
    return {};
  }

  // A restart begins with the boot loader again; the machine stays.
  Result<RunOutcome> run_with_actions(devices::Pc& pc) {
    for (;;) {
      TANDEM_TRY_ASSIGN(outcome, pc.run());
      if (supervisor_.ended() != Supervisor::Ended::No) return outcome;
      const std::string_view action = action_after(settings_, outcome.kind);
      if (action != "restart" || outcome.kind == Kind::Stopped) {
        if (action == "preserve") say("preserve: the guest is not kept, domains come later");
        return outcome;
      }
      describe(outcome);
      TANDEM_TRY(pc.reboot());
    }
  }

  int exit_status(const RunOutcome& outcome, const Guest& guest) {
    constexpr int kSignalBase = 128;
    switch (supervisor_.ended()) {
      case Supervisor::Ended::Timeout:
        return say(fmt::format("time limit of {} s reached", settings_.timeout)), kTimeout;
      case Supervisor::Ended::Signal: return kSignalBase + supervisor_.signal();
      case Supervisor::Ended::Escape: return say("console left, the guest has been ended"), kOk;
      case Supervisor::Ended::Quit: return say("ended as asked"), kOk;
      case Supervisor::Ended::No: break;
    }
    describe(outcome);
    const int status = status_of(outcome);
    const std::string missing = guest.expectations->missing();
    if (status != kOk || missing.empty()) return status;
    say(fmt::format("the guest ended without having printed: {}", missing));
    return kExpectMissing;
  }

  const Settings& settings_;
  EngineMaker& maker_;
  EngineChoice engine_;
  std::unique_ptr<Clipboard> clipboard_;  // null: not shared
  Supervisor supervisor_;
};

}  // namespace

int run_command(Arguments arguments) {
  auto parsed = config::parse_command_line(arguments);
  if (!parsed) return fail(parsed.error());
  config::CommandLine line = parsed.take();
  if (line.help) return print_help(), kOk;
  for (const std::string& warning : line.warnings) say(warning);
  Settings& s = line.settings;
  if (s.uuid.empty()) s.uuid = random_uuid();
  if (line.print_config) return fmt::print("{}", config::print(s)), kOk;
  EngineMaker maker;
  auto engine = maker.choose(s);
  if (!engine) return fail(engine.error());
  return Run(s, maker, engine.take()).go();
}

}  // namespace tandem::tools
