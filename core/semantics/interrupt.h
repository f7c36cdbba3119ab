// Delivery of interrupts and exceptions (SDM vol. 3, chapter 6).
#pragma once

#include "core/semantics/operands.h"

namespace tandem::semantics {

enum class EventKind : u8 {
  External,  // interrupt, NMI
  Exception,
  Software,           // INT n: gate DPL counts, also in virtual-8086 mode IOPL
  SoftwareException,  // INT3, INTO: gate DPL counts
  Icebp,              // INT1: no DPL check
};

struct Event {
  u8 vector;
  EventKind kind;
  bool has_code = false;
  u32 code = 0;
  u64 return_rip = 0;
};

// One attempt. False: cpu.fault says what went wrong on the way; the state is as before.
bool deliver_event(Cpu& cpu, const Event& event);

// Delivers a fault and what comes of it: double fault; false when that faults too (triple fault, shutdown).
// rip: of the faulting instruction.
bool deliver_fault(Cpu& cpu, cpu::GuestFault f, u64 rip);
// An external interrupt or NMI at a boundary. False: triple fault.
bool deliver_interrupt(Cpu& cpu, u8 vector);

// Task switches (core/semantics/task.cpp), SDM vol. 3, 7.3.
enum class TaskSwitch : u8 { Jump, Call, Iret, Event };
// selector: of the new TSS. next_rip: saved in the old one. error_code: pushed on the new stack if has_code.
bool switch_task(Cpu& cpu, u16 selector, TaskSwitch how, u64 next_rip, bool has_code = false, u32 code = 0,
                 u32 ext = 0);

// SMM (core/semantics/smm.cpp).
void enter_smm(Cpu& cpu);

}  // namespace tandem::semantics
