; Segmentation and privilege in 32-bit protected mode (SDM vol. 3, chapters 5 and 6).
%include "flat32.inc"

; A descriptor at a selector: DESCRIPTOR selector, base, limit, access, flags
%macro DESCRIPTOR 5
  mov dword [GDT_RAM + %1], ((%2) & 0xffff) << 16 | ((%3) & 0xffff)
  mov dword [GDT_RAM + %1 + 4], ((%2) & 0xff000000) | (%5) << 20 | ((%3) & 0xf0000) | (%4) << 8 | (((%2) >> 16) & 0xff)
%endmacro
; A gate: GATE address, selector, offset (label), access, parameters
%macro GATE 5
  mov eax, %3
  mov word [%1], ax
  mov word [%1 + 2], %2
  mov word [%1 + 4], (%4) << 8 | (%5)
  shr eax, 16
  mov word [%1 + 6], ax
%endmacro

%define S 0x40
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32

section flat
bits 32
main32:
  LINE "-- loading segments"
  DESCRIPTOR S, FREE, 0xfff, 0x92, 4        ; data, writable, byte granular
  DESCRIPTOR S+8, FREE, 0xfff, 0x90, 4      ; read-only
  DESCRIPTOR S+0x10, FREE, 0xfff, 0x96, 4   ; expand-down, limit fff
  DESCRIPTOR S+0x18, FREE, 0xfff, 0x12, 4   ; not present
  DESCRIPTOR S+0x20, 0, 0xfffff, 0x98, 12   ; execute-only code
  DESCRIPTOR S+0x28, 0, 0xfffff, 0x9e, 12   ; conforming code
  DESCRIPTOR S+0x30, 0, 0xfffff, 0xf2, 12   ; data, DPL 3
  DESCRIPTOR S+0x38, FREE, 0xfff, 0x96, 0   ; expand-down, 16-bit
  mov eax, S
  TRY "ds=data", mov ds, ax
  mov eax, DATA32
  mov ds, ax
  mov eax, S+0x18
  TRY "es=not present", mov es, ax
  TRY "ss=not present", mov ss, ax
  mov eax, S+8
  TRY "ss=read-only", mov ss, ax
  mov eax, S+0x20
  TRY "es=execute-only", mov es, ax
  mov eax, S+0x28
  TRY "es=conforming code", mov es, ax
  mov eax, TSS32
  TRY "es=tss", mov es, ax
  xor eax, eax
  TRY "ss=null", mov ss, ax
  TRY "es=null", mov es, ax
  TRY "use of null es", mov [es:0], al
  mov eax, 0x207
  TRY "fs=beyond the ldt", mov fs, ax
  mov eax, 0x200
  TRY "fs=beyond the gdt", mov fs, ax
  mov eax, S+0x30
  TRY "ss=dpl 3", mov ss, ax
  mov eax, CODE32
  TRY "cs by mov", db 0x8e, 0xc8

  LINE "-- limits"
  mov eax, S
  mov es, ax
  TRY "byte at limit", mov al, [es:0xfff]
  TRY "byte behind limit", mov al, [es:0x1000]
  TRY "dword across limit", mov eax, [es:0xffd]
  TRY "dword at limit", mov eax, [es:0xffc]
  TRY "write behind limit", mov [es:0x1000], al
  mov eax, S+8
  mov es, ax
  TRY "read read-only", mov al, [es:0]
  TRY "write read-only", mov [es:0], al
  mov eax, S+0x10
  mov es, ax
  TRY "expand-down at limit", mov al, [es:0xfff]
  TRY "expand-down above", mov al, [es:0x1000]
  TRY "expand-down wrap", mov eax, [es:0xfffffffe]
  mov eax, S+0x38
  mov es, ax
  TRY "16-bit expand-down top", mov al, [es:0xffff]
  TRY "16-bit expand-down beyond", mov al, [es:0x10000]
  TRY "read execute-only", mov al, [cs:main32]
  TRY "write code", mov [cs:main32], al
  mov eax, DATA32
  mov es, ax

  LINE "-- stack segment"
  mov eax, S
  mov ss, ax
  mov esp, 0x800
  xor ebp, ebp
  TRY "read inside", mov al, [ebp + 0xfff]
  TRY "read behind limit", mov al, [ebp + 0x1000]
  TRY "write behind limit", mov [ebp + 0xffd], eax
  mov eax, DATA32
  mov ss, ax
  mov esp, FLAT_STACK

  LINE "-- LAR, LSL, VERR, VERW, ARPL"
%macro ABOUT 2
  mov ecx, %2
  xor eax, eax
  lar eax, ecx
  setnz dl
  SAY %1
  or dl, dl
  jz %%yes
  SAY " no"
%%yes:
  SHOW "lar", eax
  xor eax, eax
  lsl eax, ecx
  SHOW "lsl", eax
  verr cx
  setz al
  verw cx
  setz ah
  movzx eax, ax
  SHOW "rw", eax
  LINE ""
%endmacro
  ABOUT "code", CODE32
  ABOUT "data", DATA32
  ABOUT "byte data", S
  ABOUT "read-only", S+8
  ABOUT "not present", S+0x18
  ABOUT "execute-only", S+0x20
  ABOUT "tss", TSS32
  ABOUT "null", 0
  ABOUT "beyond", 0x1f8 + 0x400
  mov eax, 0x10
  mov ecx, 0x13
  arpl ax, cx
  setz cl
  SHOW "arpl", eax
  SHOW "zf", ecx
  LINE ""

  LINE "-- far jumps"
  TRY "to data", jmp dword DATA32:0
  TRY "to null", jmp dword 0:0
  TRY "to not present", jmp dword S+0x18:0
  TRY "to beyond", jmp dword 0x1000:0
  mov dword [RESUME], .c1
  jmp dword S+0x28:.c1
.c1:
  mov eax, cs
  SHOW "cs", eax
  jmp dword CODE32:.c2
.c2:
  mov eax, cs
  SHOW "cs", eax
  LINE ""

  LINE "-- call gates"
  GATE GDT_RAM+S+0x40, CODE32, gate_target, 0x8c, 0   ; DPL 0
  GATE GDT_RAM+S+0x48, CODE32, gate_target, 0xec, 2   ; DPL 3, two parameters
  GATE GDT_RAM+S+0x50, CODE32, gate_target, 0x0c, 0   ; not present
  GATE GDT_RAM+S+0x58, DATA32, gate_target, 0x8c, 0   ; no code segment
  GATE GDT_RAM+S+0x60, 0, gate_target, 0x8c, 0        ; null
  SAY "same privilege"
  call dword S+0x40:0
  LINE ""
  TRY "not present", call dword S+0x50:0
  TRY "to data", call dword S+0x58:0
  TRY "to null", call dword S+0x60:0

  LINE "-- ring 3"
  ENTER_USER user
  LINE "-- interrupts by software"
  TRY "int3", int3
  mov al, 0x7f
  add al, al
  TRY "into", into
  TRY "bound", bound eax, [.bounds]
  TRY "int 90h, not present", int 0x90
  TRY "ud2", ud2
  xor ecx, ecx
  TRY "div", div ecx
  TRY "lock nop", db 0xf0, 0x90
  TRY "lock mov to register", db 0xf0, 0x89, 0xc8
  TRY "15 bytes", db 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90
  TRY "16 bytes", db 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90
  LINE "-- iret"
  SAY "to null cs"
  mov dword [RESUME], .i1
  pushfd
  push dword 0
  push dword .i1
  iretd
.i1:
  LINE ""
  mov esp, FLAT_STACK
  SAY "with nt, no link"
  mov dword [RESUME], .i2
  pushfd
  or dword [esp], 0x4000
  popfd
  iretd
.i2:
  LINE ""
  mov esp, FLAT_STACK
  pushfd
  and dword [esp], ~0x4000
  popfd
  FINISH
align 4
.bounds: dd 1, 0

gate_target:
  SHOW "cs", cs
  mov eax, [esp]
  mov eax, [esp + 4]
  SHOW "from", eax
  test al, 3
  jnz .outer
  retf
.outer:
  mov eax, [esp + 8]
  SHOW "p0", eax
  mov eax, [esp + 12]
  SHOW "p1", eax
  mov eax, [esp + 20]
  SHOW "ss", eax
  retf 8

user:
  mov eax, cs
  SHOW "cs", eax
  mov eax, ss
  SHOW "ss", eax
  LINE ""
  TRY "cli", cli
  TRY "hlt", hlt
  TRY "mov cr0", mov eax, cr0
  TRY "lgdt", lgdt [0]
  TRY "ds=dpl 0", mov ds, [.kernel_data]
  TRY "int 13, dpl 0", int 13
  TRY "call gate dpl 0", call dword S+0x40:0
  TRY "jmp kernel code", jmp dword CODE32:0
  SAY "call gate dpl 3"
  push dword 0x11111111
  push dword 0x22222222
  call dword S+0x48:0
  mov eax, cs
  SHOW "back", eax
  LINE ""
  TRY "clts", clts
  TRY "invd", invd
  TRY "rdmsr", rdmsr
  TRY "str", str ax
  pushfd
  pop eax
  or eax, 0x3200
  push eax
  popfd
  pushfd
  pop eax
  SHOW "iopl and if stay", eax
  LINE ""
  USER_LEAVE
.kernel_data: dw DATA32
