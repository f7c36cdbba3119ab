; 16-bit protected mode, as the 80286 had it: segments of 64 KiB with bases of 24 bits, gates and task states of 16 bits
; (80286 Programmer's Reference Manual, 6 to 9; SDM vol. 3, 5.8, 6, 8.6 and 22).
%include "lib.inc"
%define CODE 0x08
%define DATA 0x10
%define SMALL 0x18            ; 4 KiB
%define CODE3 0x23
%define DATA3 0x2b
%define TSS_A 0x30
%define TSS_B 0x38
%define GATE3 0x43            ; a call gate for ring 3
%define LDT 0x48
%define READ_ONLY 0x50
%define CONFORMING 0x58
%define ABSENT 0x60
%define HIGH 0x68             ; at the end of the first 16 MiB but for 64 KiB
%define GATE0 0x70
%define IN_LDT 0x04
%define TSS_A_AT 0x600
%define TSS_B_AT 0x680
%define LDT_AT 0x700
%define RING0_STACK 0x6800
%define RING3_STACK 0x6000
%define TASK_STACK 0x5000
section low
bits 16
%macro DESCRIPTOR16 3         ; base, limit, access
  dw %2, (%1) & 0xffff
  db (%1) >> 16 & 0xff, %3
  dw 0
%endmacro
%macro GATE16 4               ; offset, selector, words, access
  dw %1, %2
  db %3, %4
  dw 0
%endmacro
gdt:
  DESCRIPTOR16 0, 0, 0
  DESCRIPTOR16 ROM, 0xffff, 0x9a
  DESCRIPTOR16 0, 0xffff, 0x92
  DESCRIPTOR16 0, 0x0fff, 0x92
  DESCRIPTOR16 ROM, 0xffff, 0xfa
  DESCRIPTOR16 0, 0xffff, 0xf2
  DESCRIPTOR16 TSS_A_AT, 43, 0x81
  DESCRIPTOR16 TSS_B_AT, 43, 0x81
  GATE16 gate_target, CODE, 2, 0xe4
  DESCRIPTOR16 LDT_AT, 7, 0x82
  DESCRIPTOR16 0, 0xffff, 0x90
  DESCRIPTOR16 ROM, 0xffff, 0x9e
  DESCRIPTOR16 0, 0xffff, 0x12
  DESCRIPTOR16 0xff0000, 0xffff, 0x92
  GATE16 gate_target, CODE, 0, 0x84
gdt_end:
gdtr: dw gdt_end - gdt - 1
  dd GDT_RAM
idtr: dw 0x83 * 8 - 1
  dd IDT_AT
real_idtr: dw 0x3ff
  dd 0
; Starts ring 3 at a label, and goes on where its INT 82h or a fault leads.
%macro RING3 2
  SAY %1
  mov word [RESUME], %%back
  push word DATA3
  push word RING3_STACK
  push word CODE3
  push word %2
  retf
%%back:
  LINE ""
%endmacro
main16:
  mov ax, GDT_RAM >> 4
  mov es, ax
  xor di, di
  mov si, gdt
  mov cx, (gdt_end - gdt) / 2
  rep movsw
  mov ax, IDT_AT >> 4
  mov es, ax
  xor di, di
  mov bx, stubs
  mov cx, 32
.gate:
  mov ax, bx
  stosw
  mov ax, CODE
  stosw
  mov ax, 0x8600
  stosw
  xor ax, ax
  stosw
  add bx, 16
  loop .gate
  mov word [es:0x80 * 8], on_80
  mov word [es:0x80 * 8 + 2], CODE
  mov word [es:0x80 * 8 + 4], 0xe600
  mov word [es:0x81 * 8], on_80
  mov word [es:0x81 * 8 + 2], CODE
  mov word [es:0x81 * 8 + 4], 0xe700
  mov word [es:0x82 * 8], on_82
  mov word [es:0x82 * 8 + 2], CODE
  mov word [es:0x82 * 8 + 4], 0xe600
  xor ax, ax
  mov es, ax
  mov word [es:TSS_A_AT + 2], RING0_STACK
  mov word [es:TSS_A_AT + 4], DATA
  mov word [es:TSS_B_AT + 14], task_b
  mov word [es:TSS_B_AT + 16], 2
  mov word [es:TSS_B_AT + 18], 0x1111     ; AX, CX, DX, BX
  mov word [es:TSS_B_AT + 20], 0x2222
  mov word [es:TSS_B_AT + 22], 0x3333
  mov word [es:TSS_B_AT + 24], 0x4444
  mov word [es:TSS_B_AT + 26], TASK_STACK
  mov word [es:TSS_B_AT + 34], DATA       ; ES, CS, SS, DS, LDT
  mov word [es:TSS_B_AT + 36], CODE
  mov word [es:TSS_B_AT + 38], DATA
  mov word [es:TSS_B_AT + 40], DATA
  mov word [es:TSS_B_AT + 42], LDT
  mov word [es:LDT_AT], 0x0fff            ; data at 20000h
  mov word [es:LDT_AT + 2], 0
  mov word [es:LDT_AT + 4], 0x9202
  mov word [es:LDT_AT + 6], 0
  lgdt [gdtr]
  lidt [idtr]
  smsw ax
  and ax, 0x0f
  SHOW "msw", ax
  smsw ax
  or ax, 1
  lmsw ax
  jmp CODE:protected
protected:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, REAL_STACK
  smsw ax
  and ax, 0x0f
  SHOW "msw", ax
  xor ax, ax
  lmsw ax                                 ; LMSW does not leave it
  smsw ax
  and ax, 1
  SHOW "pe", ax
  LINE ""
  LINE "-- segments"
  mov ax, SMALL
  mov es, ax
  TRY "below the limit", mov al, [es:0xfff]
  TRY "at the limit", mov ax, [es:0xfff]
  TRY "beyond", mov al, [es:0x1000]
  TRY "write to code", mov [cs:0], al
  mov ax, READ_ONLY
  mov es, ax
  TRY "read only", mov [es:0x8000], al
  TRY "absent", call load_absent
  TRY "absent stack", call load_absent_stack
  TRY "beyond the table", call load_beyond
  TRY "null", call load_null
  TRY "null used", mov al, [fs:0]
  mov ax, HIGH
  mov es, ax
  TRY "24 bits", mov al, [es:0]
  SAY "stack wraps at 64 KiB"
  mov word [0xfffe], 0
  mov sp, 0
  push word 0x5678
  SHOW "word", [0xfffe]
  SHOW "sp", sp
  mov sp, REAL_STACK
  LINE ""
  LINE "-- tables"
  mov ax, LDT
  lldt ax
  sldt bx
  SHOW "ldt", bx
  mov ax, IN_LDT
  mov es, ax
  mov word [es:0x10], 0xabcd
  mov ax, CODE
  lar bx, ax
  SHOW "lar", bx
  lsl bx, ax
  SHOW "lsl", bx
  mov ax, IN_LDT
  lsl bx, ax
  SHOW "lsl", bx
  LINE ""
  mov ax, READ_ONLY
  verr ax
  call show_zf
  verw ax
  call show_zf
  mov ax, CONFORMING
  verr ax
  call show_zf
  mov ax, ABSENT
  verr ax
  call show_zf
  mov ax, 0x10
  mov bx, 3
  arpl ax, bx
  call show_zf
  SHOW "arpl", ax
  LINE ""
  TRY "conforming", call CONFORMING:far_return
  TRY "far call to data", call DATA:0
  mov ax, TSS_A
  ltr ax
  str bx
  SHOW "tr", bx
  LINE ""
  TRY "ltr again", ltr ax
  TRY "gate without words", call GATE0:0
  LINE "-- ring 3"
  RING3 "int 80h", user_int
  RING3 "trap gate", user_trap
  RING3 "call gate", user_gate
  RING3 "cli", user_cli
  RING3 "hlt", user_hlt
  RING3 "out", user_out
  RING3 "lgdt", user_lgdt
  RING3 "data of ring 0", user_data
  RING3 "gate of ring 0", user_gate0
  RING3 "int of ring 0", user_int3
  RING3 "divide", user_divide
  LINE "-- tasks"
  mov ax, 0xaaaa
  mov bx, 0xbbbb
  call TSS_B:0
  SHOW "ax", ax
  SHOW "bx", bx
  pushf
  pop cx
  and cx, 0x4000
  SHOW "nt", cx
  LINE ""
  mov word [TSS_B_AT + 14], task_jump
  jmp TSS_B:0
back_by_jump:
  LINE " and back"
  TRY "busy task", jmp TSS_A:0
  LINE "-- real mode"
  lidt [cs:real_idtr]
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov eax, cr0
  and al, 0xfe
  mov cr0, eax
  jmp 0xf000:real
real:
  xor ax, ax
  mov ss, ax
  mov es, ax
  mov sp, REAL_STACK
  mov ax, 0xf000
  mov ds, ax
  smsw ax
  and ax, 1
  SHOW "pe", ax
  mov word [es:0x60*4], on_60
  mov word [es:0x60*4 + 2], 0xf000
  int 0x60
  FINISH

show_zf:
  pushf
  jz .set
  SAY " zf=0"
  popf
  ret
.set:
  SAY " zf=1"
  popf
  ret
far_return: retf
load_absent:
  mov ax, ABSENT
  mov es, ax
  ret
load_absent_stack:
  mov ax, ABSENT
  mov ss, ax
  ret
load_beyond:
  mov ax, 0x200
  mov es, ax
  ret
load_null:
  xor ax, ax
  mov fs, ax
  ret
on_60:
  LINE " int 60h"
  iret

; Ring 3. It can't print: IOPL is 0.
user_int:
  mov ax, 0x8080
  int 0x80
  int 0x82
user_trap:
  mov ax, 0x8181
  int 0x81
  int 0x82
user_gate:
  push word 0x1234
  push word 0x5678
  call GATE3:0
  mov ax, sp
  int 0x80
  int 0x82
user_cli: cli
user_hlt: hlt
user_out: out 0xe9, al
user_lgdt: lgdt [cs:gdtr]
user_data:
  mov ax, DATA
  mov ds, ax
user_gate0: call GATE0:0
user_int3: int 3
user_divide:
  xor cx, cx
  div cx

; What came on the stack, and AX.
on_80:
  push ax
  push bp
  mov bp, sp
  push ds
  push word DATA
  pop ds
  SHOW "ax", [bp + 2]
  SHOW "cs", [bp + 6]
  mov ax, [bp + 8]
  and ax, 0x3000
  SHOW "iopl", ax
  SHOW "sp", [bp + 10]
  SHOW "ss", [bp + 12]
  SHOW "own ss", ss
  pop ds
  pop bp
  pop ax
  iret
on_82:
  mov ax, DATA
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, REAL_STACK
  jmp [RESUME]
; Two words are copied from the caller's stack.
gate_target:
  push bp
  mov bp, sp
  SHOW "cs", cs
  SHOW "caller", [bp + 4]
  test word [bp + 4], 3
  jz .same
  SHOW "words", [bp + 8]
  SHOW "", [bp + 6]
  pop bp
  retf 4
.same:
  pop bp
  retf

task_b:
  SHOW "task", ax
  SHOW "", cx
  SHOW "", dx
  SHOW "", bx
  SHOW "link", [TSS_B_AT]
  sldt ax
  SHOW "ldt", ax
  mov ax, IN_LDT
  mov es, ax
  SHOW "local", [es:0x10]
  LINE ""
  iret
task_jump:
  SAY "jumped"
  mov word [TSS_A_AT + 14], back_by_jump
  jmp TSS_A:0

fault16:
  mov bp, sp
  mov ax, DATA
  mov ds, ax
  SAY " #"
  mov ax, [bp]
  call hex16
  SAY "("
  mov ax, [bp + 2]
  call hex16
  SAY ")"
  SHOW "cs", [bp + 6]
  mov ax, DATA
  mov ss, ax
  mov sp, REAL_STACK
  jmp [RESUME]
align 16
stubs:
%assign vector 0
%rep 32
  align 16
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17
%else
  push byte 0
%endif
  push byte vector
  jmp fault16
%assign vector vector+1
%endrep
