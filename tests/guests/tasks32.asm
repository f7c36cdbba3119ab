; Task switches: by JMP, CALL, IRET, a task gate and a double fault (SDM vol. 3, chapter 8).
%include "flat32.inc"
%define TSS_A 0x14000           ; the task that runs first
%define TSS_B 0x14100
%define TSS_DF 0x14200
%define SEL_A 0x40
%define SEL_B 0x48
%define SEL_DF 0x50
%define SEL_GATE 0x58
%define SEL_16 0x60
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
section flat
bits 32
%macro TSS_DESCRIPTOR 2
  mov dword [GDT_RAM + %1], ((%2) & 0xffff) << 16 | 0x67
  mov dword [GDT_RAM + %1 + 4], 0x8900 | (%2) >> 16
%endmacro
; fills a TSS: address, entry, stack
%macro TSS_FILL 3
  mov edi, %1
  xor eax, eax
  mov ecx, 26
  rep stosd
  mov dword [%1 + 0x20], %2
  mov dword [%1 + 0x24], 2
  mov dword [%1 + 0x28], 0xa
  mov dword [%1 + 0x2c], 0xc
  mov dword [%1 + 0x38], %3
  mov dword [%1 + 0x48], DATA32
  mov dword [%1 + 0x4c], CODE32
  mov dword [%1 + 0x50], DATA32
  mov dword [%1 + 0x54], DATA32
  mov word [%1 + 0x66], 0x68
%endmacro
%macro TYPES 0
  movzx eax, byte [GDT_RAM + SEL_A + 5]
  SHOW "a", eax
  movzx eax, byte [GDT_RAM + SEL_B + 5]
  SHOW "b", eax
%endmacro
main32:
  TSS_DESCRIPTOR SEL_A, TSS_A
  TSS_DESCRIPTOR SEL_B, TSS_B
  TSS_DESCRIPTOR SEL_DF, TSS_DF
  TSS_FILL TSS_A, 0, FLAT_STACK
  TSS_FILL TSS_B, task_b, FLAT_STACK - 0x4000
  TSS_FILL TSS_DF, task_df, FLAT_STACK - 0x5000
  mov dword [GDT_RAM + SEL_GATE], SEL_B << 16
  mov dword [GDT_RAM + SEL_GATE + 4], 0x8500
  mov ax, SEL_A
  ltr ax
  str eax
  SHOW "tr", eax
  TYPES
  LINE ""
  LINE "-- jmp"
  mov esi, 0x51
  jmp SEL_B:0
  SAY "back in a"
  SHOW "esi", esi
  TYPES
  pushfd
  pop eax
  SHOW "flags", eax
  LINE ""
  LINE "-- call"
  call SEL_B:0
  SAY "back in a"
  TYPES
  movzx eax, word [TSS_B]
  SHOW "link", eax
  mov eax, cr0
  and eax, 8
  SHOW "ts", eax
  LINE ""
  clts
  LINE "-- task gate"
  call SEL_GATE:0
  SAY "back in a"
  TYPES
  LINE ""
  TRY "call busy", call SEL_A:0
  TRY "jmp busy", jmp SEL_A:0
  mov byte [GDT_RAM + SEL_B + 5], 0x09
  TRY "not present", jmp SEL_B:0
  mov byte [GDT_RAM + SEL_B + 5], 0x89
  mov word [GDT_RAM + SEL_B], 0x66
  TRY "limit too small", jmp SEL_B:0
  mov word [GDT_RAM + SEL_B], 0x67
  LINE "-- bad state in the new task"
  mov dword [TSS_B + 0x20], task_after_bad
  mov dword [TSS_B + 0x54], 0x1000
  mov dword [RESUME], .never
  jmp SEL_B:0
.never:
  SAY "continues in"
  str eax
  SHOW "tr", eax
  LINE ""
  LINE "-- double fault by a task gate"
  mov dword [TSS_DF + 0x20], task_df
  mov dword [IDT_AT + 8*8], SEL_DF << 16
  mov dword [IDT_AT + 8*8 + 4], 0x8500
  mov word [IDT_AT + 13*8 + 2], 0x1000    ; #GP's handler is unusable
  mov eax, 0x1000
  mov ds, ax
  SAY "not here"
  FINISH

task_b:
  SAY "in b"
  str eax
  SHOW "tr", eax
  SHOW "esp", esp
  TYPES
  pushfd
  pop eax
  SHOW "flags", eax
  mov eax, cr0
  and eax, 8
  SHOW "ts", eax
  clts
  LINE ""
  jmp SEL_A:0
  SAY "b again"
  pushfd
  pop eax
  and eax, 0x4000
  SHOW "nt", eax
  LINE ""
.again:
  iretd
  SAY "b by the gate"
  LINE ""
  jmp .again
task_after_bad:
  SAY "not here"
  FINISH
task_df:
  SAY "double fault task"
  pop eax
  SHOW "code", eax
  movzx eax, word [TSS_DF]
  SHOW "link", eax
  str eax
  SHOW "tr", eax
  LINE ""
  FINISH
