#include "devices/input/i8042.h"

namespace tandem::devices {

namespace {

// IBM PS/2 hardware interface technical reference, "Keyboard and auxiliary device controller".
constexpr u8 kStatusFull = 0x01, kStatusSystem = 0x04, kStatusCommand = 0x08, kStatusUnlocked = 0x10,
             kStatusMouse = 0x20;
constexpr u8 kModeKeyboardIrq = 0x01, kModeMouseIrq = 0x02, kModeSystem = 0x04, kModeKeyboardOff = 0x10,
             kModeMouseOff = 0x20, kModeTranslate = 0x40;
enum Command : u8 {
  kReadMode = 0x20,
  kWriteMode = 0x60,
  kDisableMouse = 0xa7,
  kEnableMouse = 0xa8,
  kTestMouse = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboard = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kFakeKeyboard = 0xd2,
  kFakeMouse = 0xd3,
  kWriteMouse = 0xd4,
  kDisableA20 = 0xdd,
  kEnableA20 = 0xdf,
  kPulse = 0xf0,
  kPulseReset = 0xfe,
};
constexpr u8 kOutputNoReset = 0x01, kOutputA20 = 0x02;

}  // namespace

I8042::I8042(irq::LevelIrq keyboard_irq, irq::LevelIrq mouse_irq, std::function<void()> reset_request)
    : keyboard_irq_(keyboard_irq),
      mouse_irq_(mouse_irq),
      reset_request_(std::move(reset_request)),
      data_port_(*this, &I8042::data_io),
      command_port_(*this, &I8042::command_io) {}

void I8042::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  state_ = I8042State{};
  update_irq();
}

u8 I8042::status() const {
  return static_cast<u8>((state_.full ? kStatusFull : 0) | (state_.mode & kModeSystem ? kStatusSystem : 0) |
                         (state_.command_last ? kStatusCommand : 0) | kStatusUnlocked |
                         (state_.full && state_.from_mouse ? kStatusMouse : 0));
}

void I8042::reply(u8 value) { state_.replies.push({&value, 1}); }

// Moves the next byte into the output buffer: the controller's own first, then keyboard, then mouse.
void I8042::fill_output() {
  while (!state_.full) {
    if (state_.replies.count) {
      state_.output = state_.replies.pop();
      state_.from_mouse = false;
      state_.full = true;
    } else if (state_.keyboard.queue.count && !(state_.mode & kModeKeyboardOff)) {
      u8 code = state_.keyboard.pop();
      if (state_.mode & kModeTranslate) {
        if (code == 0xf0) {
          state_.break_prefix = true;
          continue;
        }
        code = static_cast<u8>(translate_scan_code(code) | (state_.break_prefix ? 0x80 : 0));
        state_.break_prefix = false;
      }
      state_.output = code;
      state_.from_mouse = false;
      state_.full = true;
    } else if (state_.mouse.queue.count && !(state_.mode & kModeMouseOff)) {
      state_.output = state_.mouse.queue.pop();
      state_.from_mouse = true;
      state_.full = true;
    } else {
      break;
    }
  }
  update_irq();
}

void I8042::update_irq() {
  keyboard_irq_.set(state_.full && !state_.from_mouse && (state_.mode & kModeKeyboardIrq));
  mouse_irq_.set(state_.full && state_.from_mouse && (state_.mode & kModeMouseIrq));
}

bool I8042::write_command(u8 value) {
  state_.command_last = true;
  state_.command = 0;
  switch (value) {
    case kReadMode: reply(state_.mode); break;
    case kWriteMode:
    case kWriteOutputPort:
    case kFakeKeyboard:
    case kFakeMouse:
    case kWriteMouse: state_.command = value; break;
    case kDisableMouse: state_.mode |= kModeMouseOff; break;
    case kEnableMouse: state_.mode &= static_cast<u8>(~kModeMouseOff); break;
    case kTestMouse:
    case kTestKeyboard: reply(0); break;
    case kSelfTest:
      state_.mode |= kModeSystem;
      reply(0x55);
      break;
    case kDisableKeyboard: state_.mode |= kModeKeyboardOff; break;
    case kEnableKeyboard: state_.mode &= static_cast<u8>(~kModeKeyboardOff); break;
    case kReadInputPort: reply(0x80); break;
    case kReadOutputPort: reply(state_.output_port); break;
    case kDisableA20: state_.output_port &= static_cast<u8>(~kOutputA20); break;
    case kEnableA20: state_.output_port |= kOutputA20; break;
    default:
      // 0xf0..0xff pulse the output port's low bits that are 0; bit 0 is RESET#.
      if (value >= kPulse && !(value & kOutputNoReset)) return true;
      if (value > kReadMode && value < 0x40) reply(0);  // internal RAM
      break;
  }
  return false;
}

bool I8042::write_data(u8 value) {
  const u8 command = state_.command;
  state_.command = 0;
  state_.command_last = false;
  switch (command) {
    case kWriteMode: state_.mode = value; break;
    case kWriteOutputPort: state_.output_port = value; return !(value & kOutputNoReset);
    case kFakeKeyboard: reply(value); break;
    case kFakeMouse:  // into the output buffer at once, even while the mouse's interface is off
      state_.output = value;
      state_.from_mouse = state_.full = true;
      break;
    case kWriteMouse: state_.mouse.write(value); break;
    default:
      state_.mode &= static_cast<u8>(~kModeKeyboardOff);  // talking to the keyboard turns its interface on
      state_.keyboard.write(value);
      break;
  }
  return false;
}

void I8042::data_io(bus::IoAccess& access) {
  bool wants_reset = false;
  {
    std::lock_guard lock(mutex_);
    if (access.dir == bus::IoDir::Read) {
      access.value = state_.output;
      state_.full = false;
      update_irq();  // falls before it rises for the next byte
    } else {
      wants_reset = write_data(static_cast<u8>(access.value));
    }
    fill_output();
  }
  if (wants_reset) reset_request_();
}

void I8042::command_io(bus::IoAccess& access) {
  bool wants_reset = false;
  {
    std::lock_guard lock(mutex_);
    if (access.dir == bus::IoDir::Read) {
      access.value = status();
      return;
    }
    wants_reset = write_command(static_cast<u8>(access.value));
    fill_output();
  }
  if (wants_reset) reset_request_();
}

bool I8042::key(std::span<const u8> set2_codes) {
  std::lock_guard lock(mutex_);
  const bool taken = state_.keyboard.key(set2_codes);
  fill_output();
  return taken;
}

void I8042::mouse(int dx, int dy, int dz, u8 buttons) {
  std::lock_guard lock(mutex_);
  state_.mouse.move(dx, dy, dz, buttons);
  fill_output();
}

void I8042::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 2, state_);
}

Result<void> I8042::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 2, state_));
  update_irq();
  return {};
}

}  // namespace tandem::devices
