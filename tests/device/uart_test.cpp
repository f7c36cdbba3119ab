// 16550A. Sections: National Semiconductor PC16550D data sheet (TL/C/8652), chapter 8.
#include <gtest/gtest.h>

#include "devices/serial/uart16550.h"
#include "tests/support/device_bench.h"
#include "tests/support/line_backend.h"

namespace tandem::tests {
namespace {

using devices::Uart;

constexpr u16 kBase = 0x3f8;
constexpr u16 kData = kBase, kIer = kBase + 1, kIir = kBase + 2, kFcr = kBase + 2, kLcr = kBase + 3,
              kMcr = kBase + 4, kLsr = kBase + 5, kMsr = kBase + 6, kScratch = kBase + 7;
constexpr u8 kReceive = 1, kTransmit = 2, kLine = 4, kAll = 0x0f;
constexpr u8 kOut2 = 8, kLoop = 0x10;
constexpr u8 kNone = 0x01, kIdLine = 0x06, kIdReceive = 0x04, kIdTimeout = 0x0c, kIdTransmit = 0x02,
             kIdModem = 0x00;
constexpr u8 kReady = 0x01, kOverrun = 0x02, kEmpty = 0x60;

class UartTest : public testing::Test {
 protected:
  UartTest() { bench.map_ports(kBase, 8, uart); }
  u8 in(u16 port) { return static_cast<u8>(bench.in(port)); }
  void out(u16 port, unsigned value) { bench.out(port, value); }
  u8 id() { return in(kIir) & 0x0f; }
  bool irq() const { return bench.wires.level(4); }
  // Ready for input: interrupts as given, through OUT2.
  void listen(u8 ier, u8 fcr = 0) {
    out(kMcr, kOut2);
    out(kFcr, fcr);
    out(kIer, ier);
  }
  std::string read_all() {
    std::string text;
    while (in(kLsr)&kReady) text += static_cast<char>(in(kData));
    return text;
  }

  DeviceBench bench;
  LineBackend line;
  Uart uart{"serial0", bench.wires.level_irq(4), &line};
};

// Table II, "UART reset configuration".
TEST_F(UartTest, AfterReset) {
  listen(kAll, 0x01);
  out(kLcr, 0x1b);
  line.type("x");
  uart.reset(machine::ResetKind::System);
  EXPECT_EQ(in(kIer), 0);
  EXPECT_EQ(in(kIir), kNone);
  EXPECT_EQ(in(kLcr), 0);
  EXPECT_EQ(in(kMcr), 0);
  EXPECT_EQ(in(kLsr), kEmpty);
  EXPECT_EQ(in(kMsr) & 0x0f, 0);
  EXPECT_FALSE(irq());
}

// 8.2 "Programmable baud generator": DLAB shows the divisor in the first two registers.
TEST_F(UartTest, DivisorLatch) {
  out(kIer, 0x05);
  out(kLcr, 0x83);
  out(kData, 0x34);
  out(kIer, 0x12);
  EXPECT_EQ(in(kData), 0x34);
  EXPECT_EQ(in(kIer), 0x12);
  EXPECT_EQ(in(kLcr), 0x83);
  out(kLcr, 0x03);
  EXPECT_EQ(in(kIer), 0x05);
  EXPECT_EQ(line.take_written(), "");
}

// 8.7, 8.8, 8.11: which bits a register has.
TEST_F(UartTest, BitsThatAre) {
  struct Row {
    u16 port;
    u8 bits;
  };
  for (const Row& row : {Row{kIer, 0x0f}, Row{kMcr, 0x1f}, Row{kScratch, 0xff}, Row{kLcr, 0x7f}}) {
    out(row.port, row.port == kLcr ? 0x7f : 0xff);
    EXPECT_EQ(in(row.port), row.bits) << std::hex << row.port;
    out(row.port, 0);
    EXPECT_EQ(in(row.port), 0) << std::hex << row.port;
  }
}

TEST_F(UartTest, WritesGoToTheLine) {
  for (char c : std::string("hello")) out(kData, static_cast<u8>(c));
  EXPECT_EQ(line.take_written(), "hello");
  EXPECT_EQ(in(kLsr)&kEmpty, kEmpty);
}

TEST_F(UartTest, BusyLineIsNotEmpty) {
  line.block(true);
  EXPECT_EQ(in(kLsr)&kEmpty, 0);
  listen(kTransmit);
  EXPECT_FALSE(irq());
  line.block(false);
  EXPECT_TRUE(irq());
  EXPECT_EQ(in(kLsr)&kEmpty, kEmpty);
}

// 8.6: the transmitter's interrupt goes by reading IIR or by writing data.
TEST_F(UartTest, TransmitterInterrupt) {
  listen(kTransmit);
  EXPECT_TRUE(irq()) << "enabled while empty";
  EXPECT_EQ(id(), kIdTransmit);
  EXPECT_FALSE(irq());
  EXPECT_EQ(id(), kNone);
  out(kData, 'a');
  EXPECT_TRUE(irq());
  out(kIer, 0);
  EXPECT_FALSE(irq());
}

TEST_F(UartTest, ReceiverInterrupt) {
  listen(kReceive);
  EXPECT_EQ(line.type("ab"), 1u) << "no FIFO, one byte";
  EXPECT_TRUE(irq());
  EXPECT_EQ(id(), kIdReceive);
  EXPECT_EQ(id(), kIdReceive) << "reading IIR does not end it";
  EXPECT_EQ(in(kData), 'a');
  EXPECT_FALSE(irq());
  EXPECT_EQ(line.take_wanted(), 2u) << "when enabled, and when read";
}

// 8.5, bits 6 and 7; below the trigger level the timeout tells (8.6).
TEST_F(UartTest, FifoTriggers) {
  struct Row {
    u8 fcr;
    size_t trigger;
  };
  for (const Row& row : {Row{0x01, 1}, Row{0x41, 4}, Row{0x81, 8}, Row{0xc1, 14}}) {
    SCOPED_TRACE(row.trigger);
    listen(kReceive, row.fcr | 0x02);
    EXPECT_EQ(line.type(std::string(row.trigger - 1, 'x')), row.trigger - 1);
    EXPECT_EQ(in(kIir), row.trigger == 1 ? 0xc0 | kNone : 0xc0 | kIdTimeout);
    line.type("y");
    EXPECT_EQ(in(kIir), 0xc0 | kIdReceive);
    in(kData);
    EXPECT_EQ(in(kIir), row.trigger == 1 ? 0xc0 | kNone : 0xc0 | kIdTimeout);
  }
}

TEST_F(UartTest, FifoHoldsSixteen) {
  listen(kReceive, 0x01);
  EXPECT_EQ(line.type("0123456789abcdefgh"), 16u);
  EXPECT_EQ(read_all(), "0123456789abcdef");
}

// 8.5: bit 1 empties the receiver; so does turning the FIFOs on or off.
TEST_F(UartTest, FifoResets) {
  for (u8 fcr : {0x03, 0x00}) {
    listen(kReceive, 0x01);
    line.type("abc");
    out(kFcr, fcr);
    EXPECT_FALSE(in(kLsr)&kReady);
    EXPECT_FALSE(irq());
  }
  listen(kReceive, 0x01);
  line.type("abc");
  out(kFcr, 0x05);
  EXPECT_EQ(read_all(), "abc") << "bit 2 is the transmitter's";
}

// 8.6, table IV: each is served before the next shows.
TEST_F(UartTest, PrioritiesOfInterrupts) {
  listen(kAll, 0x01);
  out(kMcr, kOut2 | kLoop);  // DCD changes
  out(kMcr, kOut2);
  line.force("0123456789abcdefg");
  EXPECT_EQ(id(), kIdLine);
  EXPECT_EQ(in(kLsr)&kOverrun, kOverrun);
  EXPECT_EQ(id(), kIdReceive);
  read_all();
  EXPECT_EQ(id(), kIdTransmit);
  EXPECT_EQ(id(), kIdModem);
  EXPECT_TRUE(irq());
  in(kMsr);
  EXPECT_EQ(id(), kNone);
  EXPECT_FALSE(irq());
}

// 8.4, bit 1: with FIFOs the newest is lost, without them what was there.
TEST_F(UartTest, OverrunWithFifos) {
  listen(kLine, 0x01);
  line.force("0123456789abcdefg");
  EXPECT_TRUE(irq());
  EXPECT_EQ(in(kLsr), kEmpty | kReady | kOverrun);
  EXPECT_FALSE(irq()) << "reading LSR clears it";
  EXPECT_EQ(in(kLsr), kEmpty | kReady);
  EXPECT_EQ(read_all(), "0123456789abcdef");
}

TEST_F(UartTest, OverrunWithoutFifos) {
  listen(kLine);
  line.force("ab");
  EXPECT_EQ(in(kLsr)&kOverrun, kOverrun);
  EXPECT_EQ(read_all(), "b");
}

TEST_F(UartTest, OverrunInLoopback) {
  out(kMcr, kLoop);
  out(kData, 'a');
  out(kData, 'b');
  EXPECT_EQ(in(kLsr)&kOverrun, kOverrun);
  EXPECT_EQ(read_all(), "b");
}

// 8.8, bit 4: data and modem lines come back, the line outside is off.
TEST_F(UartTest, LoopbackData) {
  out(kFcr, 0x01);
  out(kMcr, kLoop);
  for (char c : std::string("loop")) out(kData, static_cast<u8>(c));
  EXPECT_EQ(read_all(), "loop");
  EXPECT_EQ(line.take_written(), "");
  EXPECT_EQ(line.type("x"), 0u);
}

TEST_F(UartTest, LoopbackModemLines) {
  struct Row {
    const char* name;
    u8 mcr, msr;
  };
  for (const Row& row : {Row{"none", 0, 0}, Row{"DTR is DSR", 1, 0x20}, Row{"RTS is CTS", 2, 0x10},
                         Row{"OUT1 is RI", 4, 0x40}, Row{"OUT2 is DCD", 8, 0x80}}) {
    SCOPED_TRACE(row.name);
    out(kMcr, kLoop | row.mcr);
    EXPECT_EQ(in(kMsr) & 0xf0, row.msr);
  }
}

// 8.9: deltas since the last read; RI's is its trailing edge.
TEST_F(UartTest, ModemDeltas) {
  struct Row {
    const char* name;
    u8 before, after, deltas;
  };
  for (const Row& row : {Row{"CTS rises", 0, 2, 1}, Row{"CTS falls", 2, 0, 1}, Row{"DSR rises", 0, 1, 2},
                         Row{"DCD falls", 8, 0, 8}, Row{"RI rises", 0, 4, 0}, Row{"RI falls", 4, 0, 4},
                         Row{"nothing", 3, 3, 0}}) {
    SCOPED_TRACE(row.name);
    out(kMcr, kLoop | row.before);
    in(kMsr);
    out(kMcr, kLoop | row.after);
    EXPECT_EQ(in(kMsr) & 0x0f, row.deltas);
    EXPECT_EQ(in(kMsr) & 0x0f, 0);
  }
}

TEST_F(UartTest, ConnectedLineIsReady) { EXPECT_EQ(in(kMsr) & 0xf0, 0xb0) << "CTS, DSR, DCD"; }

TEST_F(UartTest, NothingConnected) {
  constexpr u16 kSecond = 0x2f8;
  Uart lone("serial1", bench.wires.level_irq(3), nullptr);
  bench.map_ports(kSecond, 8, lone);
  EXPECT_EQ(in(kSecond + 6) & 0xf0, 0);
  out(kSecond, 'x');
  EXPECT_EQ(in(kSecond + 5), kEmpty);
}

// On a PC's board OUT2 opens the way of the interrupt.
TEST_F(UartTest, Out2GatesTheInterrupt) {
  out(kIer, kTransmit);
  EXPECT_FALSE(irq());
  out(kMcr, kOut2);
  EXPECT_TRUE(irq());
  out(kMcr, 0);
  EXPECT_FALSE(irq());
}

// A guest without interrupts gets its input once it polls for it.
TEST_F(UartTest, PollingGuestGetsInput) {
  EXPECT_EQ(line.type("x"), 0u) << "not before a guest listens";
  for (unsigned i = 0; i < 100; ++i) in(kLsr);
  EXPECT_GT(line.take_wanted(), 0u);
  EXPECT_EQ(line.type("x"), 1u);
  EXPECT_EQ(read_all(), "x");
}

TEST_F(UartTest, LetsItsBackEndGo) {
  LineBackend other;
  auto second = std::make_unique<Uart>("serial2", bench.wires.level_irq(5), &other);
  EXPECT_TRUE(other.attached());
  second.reset();
  EXPECT_FALSE(other.attached());
}

}  // namespace
}  // namespace tandem::tests
