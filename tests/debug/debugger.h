// A debugger that talks to a Stub in the same process, and the machine that it stops.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "core/debug/stub.h"
#include "tests/support/rom_guest.h"

namespace tandem::tests {

class Debugger {
 public:
  Debugger(std::unique_ptr<cpu::Engine> engine, std::vector<u8> rom, u32 vcpus = 1)
      : guest_(make_rom_guest(std::move(engine), std::move(rom), machine::ClockKind::Host,
                              [&](devices::PcConfig& c) { c.vcpus = vcpus; })),
        target_(guest_->pc->machine(), [this] { wake(); }),
        monitor_(target_),
        stub_(target_, monitor_, {.arch = debug::Arch::X86_64, .has_long_mode = true, .kill = [] {}}) {
    connect();
    runner_ = std::thread([this] {
      auto outcome = guest_->pc->run();
      std::lock_guard lock(mutex_);
      outcome_ = outcome ? outcome.take() : machine::RunOutcome{};
      changed_.notify_all();
    });
    // Booted: until then all registers are zero but those of a reset.
    while (target_.state(0).segments[cpu::kCs].base != kRomAddress) std::this_thread::yield();
  }
  ~Debugger() {
    stub_.disconnect();
    guest_->pc->request_stop();
    runner_.join();
  }

  void connect() {
    stub_.connect();
    ask("QStartNoAckMode");
    ask("qSupported:swbreak+;hwbreak+");
  }
  void disconnect() { stub_.disconnect(); }
  // A packet, and what the answer holds; empty where there is none.
  std::string ask(const std::string& content) {
    std::string reply = stub_.receive(debug::frame(content));
    if (reply.starts_with('+')) reply.erase(0, 1);
    return open(reply);
  }
  // The answer to something that lets the guest run.
  std::string go(const std::string& content) {
    const std::string refused = ask(content);
    return refused.empty() ? wait() : refused;
  }
  std::string wait() {
    constexpr auto kLimit = std::chrono::seconds(60);
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kLimit, [&] { return news_ || outcome_; })) return "nothing happens";
        if (!news_) return "the guest has ended";
        news_ = false;
      }
      if (const std::string news = stub_.news(); !news.empty()) return open(news);
    }
  }
  std::string interrupt() { return open(stub_.receive("\x03")); }
  std::string monitor(std::string_view line) {
    EXPECT_EQ(ask("qRcmd," + debug::to_hex(line)), "OK");
    return console_;
  }
  machine::RunOutcome wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return outcome_.has_value(); });
    return *outcome_;
  }

  u64 reg(const std::string& name) { return *debug::value_by_name(target_.state(0), name); }
  u64 pc() { return reg("pc"); }
  debug::Stub& stub() { return stub_; }
  machine::Machine& machine() { return guest_->pc->machine(); }
  cpu::CpuState state() { return target_.state(0); }

 private:
  // What the last packet holds; text for the console, in packets before it, is kept.
  std::string open(const std::string& packets) {
    if (packets.empty()) return "";
    debug::PacketReader reader;
    std::string content = "no packet: " + packets;
    console_.clear();
    for (const char c : packets)
      if (const auto in = reader.feed(static_cast<u8>(c))) {
        content = in->content;
        if (content.starts_with('O') && content != "OK")
          console_ += debug::from_hex(content.substr(1)).value_or("?");
      }
    return content;
  }
  void wake() {
    std::lock_guard lock(mutex_);
    news_ = true;
    changed_.notify_all();
  }

  std::unique_ptr<RomGuest> guest_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool news_ = false;
  std::optional<machine::RunOutcome> outcome_;
  std::string console_;
  debug::Target target_;
  debug::Monitor monitor_;
  debug::Stub stub_;
  std::thread runner_;
};

}  // namespace tandem::tests
