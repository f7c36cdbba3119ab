; Virtual-8086 mode: entry, privileged instructions by IOPL, exceptions and interrupts out of it (SDM vol. 3, 20).
%include "flat32.inc"
%define V86_STACK 0x6000
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
; Runs in virtual-8086 mode, CS = F000.
v86_code:
  mov ax, cs
  SHOW "cs", ax
  mov ax, 0x1234
  mov ds, ax
  mov bx, ds
  mov ax, cs
  mov ds, ax
  SHOW "ds", bx
  mov ax, 0xffff
  mov es, ax
  mov al, [es:0x10]             ; linear 100000h
  SAY " segments"
  int 0x80
align 16
v86_cli: cli
  int 0x80
v86_hlt: hlt
v86_int: int 0x21
v86_pushf: pushf
  int 0x80
v86_in: in al, 0x70
v86_out: mov al, '*'
  out 0xe9, al
  int 0x80
v86_mov_cr: mov eax, cr0
v86_lgdt: o32 lgdt [0]
v86_limit: mov eax, [0xfffe]
v86_div: xor cx, cx
  div cx
v86_arpl: arpl ax, bx
v86_ud: ud2
v86_int3: int3
section flat
bits 32
; V86 text, label in low, IOPL flags: runs it until it comes back
%macro V86 3
  SAY %1
  mov dword [USER_BACK], %%back
  mov [KERNEL_ESP], esp
  mov dword [V86_RESUME], %%fault
  push dword 0
  push dword 0
  push dword 0xf000             ; DS
  push dword 0                  ; ES
  push dword 0                  ; SS
  push dword V86_STACK
  push dword 0x20002 | %3
  push dword 0xf000
  push dword %2
  iretd
%%fault:
%%back:
  LINE ""
%endmacro
%define V86_RESUME 0x520
main32:
  ; faults of v86 code: their own handler, by the same stubs
  mov ecx, 0
.gate:
  mov eax, ecx
  shl eax, 4
  add eax, v86_stubs
  mov [IDT_AT + ecx*8], ax
  shr eax, 16
  mov [IDT_AT + ecx*8 + 6], ax
  inc ecx
  cmp ecx, 32
  jb .gate
  mov word [IDT_AT + 3*8 + 4], 0xee00
  V86 "run", v86_code, 0
  V86 "cli iopl 0", v86_cli, 0
  V86 "cli iopl 3", v86_cli, 0x3000
  V86 "hlt", v86_hlt, 0x3000
  V86 "int iopl 0", v86_int, 0
  V86 "int iopl 3", v86_int, 0x3000
  V86 "pushf iopl 0", v86_pushf, 0
  V86 "pushf iopl 3", v86_pushf, 0x3000
  V86 "in", v86_in, 0x3000
  V86 "out", v86_out, 0
  V86 "mov cr0", v86_mov_cr, 0x3000
  V86 "lgdt", v86_lgdt, 0x3000
  V86 "limit", v86_limit, 0
  V86 "div", v86_div, 0
  V86 "arpl", v86_arpl, 0
  V86 "ud2", v86_ud, 0
  V86 "int3 iopl 0", v86_int3, 0
  FINISH
v86_fault:
  mov eax, DATA32
  mov ds, ax
  mov es, ax
  SAY " #"
  mov eax, [esp]
  call decimal32
  SAY "("
  mov eax, [esp + 4]
  call hex32_short
  SAY ")"
  mov eax, [esp + 12]
  SHOW "cs", eax
  mov eax, [esp + 16]
  and eax, 0x20000
  SHOW "vm", eax
  mov eax, [esp + 24]
  SHOW "ss", eax
  mov eax, ss
  mov esp, [KERNEL_ESP]
  jmp [V86_RESUME]
align 16
v86_stubs:
%assign vector 0
%rep 32
  align 16
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17
%else
  push byte 0
%endif
  push byte vector
  jmp v86_fault
%assign vector vector+1
%endrep
