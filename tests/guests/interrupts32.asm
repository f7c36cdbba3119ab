; Interrupts of the PIC and PIT, HLT, the shadow of STI, spurious and masked ones (8259A datasheet; SDM vol. 3, 6.8).
%include "flat32.inc"
%define TICKS 0x600
%define ORDER 0x604
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
section flat
bits 32
%macro OUTB 2
  mov al, %2
  out %1, al
%endmacro
%macro HANDLER 2
  mov eax, %2
  mov [IDT_AT + (%1)*8], ax
  mov word [IDT_AT + (%1)*8 + 2], CODE32
  mov word [IDT_AT + (%1)*8 + 4], 0x8e00
  shr eax, 16
  mov [IDT_AT + (%1)*8 + 6], ax
%endmacro
main32:
  HANDLER 0x20, on_timer
  HANDLER 0x21, on_keyboard
  HANDLER 0x27, on_spurious
  HANDLER 0x28, on_rtc
  mov dword [TICKS], 0
  OUTB 0x20, 0x11
  OUTB 0x21, 0x20
  OUTB 0x21, 4
  OUTB 0x21, 1
  OUTB 0xa0, 0x11
  OUTB 0xa1, 0x28
  OUTB 0xa1, 2
  OUTB 0xa1, 1
  OUTB 0x21, 0xff
  OUTB 0xa1, 0xff
  in al, 0x21
  movzx eax, al
  SHOW "mask", eax
  LINE ""
  ; PIT channel 0, mode 2, about 1 kHz
  OUTB 0x43, 0x34
  OUTB 0x40, 0xa9
  OUTB 0x40, 4
  LINE "-- halting until ticks"
  OUTB 0x21, 0xfe
  sti
.wait:
  hlt
  cmp dword [TICKS], 5
  jb .wait
  cli
  LINE "five ticks"
  OUTB 0x21, 0xff
  mov dword [TICKS], 0
  LINE "-- sti lets one instruction by"
  mov ecx, 3000000
.pend:
  OUTB 0x20, 0x0a
  in al, 0x20
  test al, 1
  loopz .pend
  mov dword [TICKS], 0
  OUTB 0x21, 0xfe
  sti
  mov eax, [TICKS]
  cli
  mov ecx, [TICKS]
  SHOW "behind sti", eax
  sti
  nop
  nop
  cli
  xor ecx, ecx
  cmp [TICKS], ecx
  setne cl                      ; two, where the host was late
  SHOW "then", ecx
  LINE ""
  OUTB 0x21, 0xff
  LINE "-- one shot, mode 0"
  OUTB 0x43, 0x30               ; it waits for its count
  OUTB 0x21, 0xfe
  sti                           ; for a tick that was on its way
  nop
  nop
  cli
  mov dword [TICKS], 0
  OUTB 0x40, 0x10
  OUTB 0x40, 0
  sti
  mov ecx, 1000000000          ; the host may be late
.one:
  cmp dword [TICKS], 1
  loopne .one
  mov ecx, 10000
  loop $
  cli
  mov eax, [TICKS]
  SHOW "ticks", eax
  LINE ""
  OUTB 0x21, 0xff
  LINE "-- count latch"
  OUTB 0x43, 0x34
  OUTB 0x40, 0
  OUTB 0x40, 0
  OUTB 0x43, 0xe2
  in al, 0x40
  and eax, 0x3f
  SHOW "status", eax
  LINE ""
  LINE "-- software interrupts don't wait for if"
  HANDLER 0x30, on_soft
  int 0x30
  LINE ""
  FINISH
on_timer:
  push eax
  inc dword [TICKS]
  OUTB 0x20, 0x20
  pop eax
  iretd
on_keyboard:
on_rtc:
  SAY "unexpected"
  FINISH
on_spurious:
  iretd
on_soft:
  pushfd
  pop eax
  and eax, 0x200
  SHOW "if", eax
  iretd
