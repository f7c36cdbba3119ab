; Real mode: interrupt table, wrap-around, string instructions, 32-bit operands, limits (SDM vol. 3, 20.1).
%include "lib.inc"
section low
bits 16
main16:
  LINE "-- interrupt table"
  mov word [es:0x60*4], on_int
  mov word [es:0x60*4 + 2], 0xf000
  mov word [es:0], on_divide
  mov word [es:2], 0xf000
  mov word [es:6*4], on_undefined
  mov word [es:6*4 + 2], 0xf000
  mov word [es:13*4], on_protection
  mov word [es:13*4 + 2], 0xf000
  mov word [es:12*4], on_stack
  mov word [es:12*4 + 2], 0xf000
  mov word [es:5*4], on_bound
  mov word [es:5*4 + 2], 0xf000
  sti
  mov ax, 0x1234
  int 0x60
  pushf
  pop ax
  and ax, 0x200
  SHOW "if", ax
  cli
  LINE ""
  LINE "-- faults"
  mov ax, 1
  xor cx, cx
  div cl
  LINE ""
  ud2
  LINE ""
  mov eax, [0xfffe]
  LINE ""
  mov bp, 0xffff
  mov ax, [bp]
  LINE ""
  mov ax, 9
  bound ax, [limits]
  LINE ""
  db 0xf0, 0x90
  LINE ""
  mov eax, cr0
  and eax, 1
  SHOW "pe", ax
  LINE ""
  LINE "-- wrap-around"
  mov ax, 0xffff
  mov ds, ax
  mov byte [0x10], 0x5a         ; 100000h, no A20 gate
  xor ax, ax
  mov ds, ax
  mov byte [0], 0x11
  mov ax, 0xffff
  mov ds, ax
  mov al, [0x10]
  mov bx, cs
  mov ds, bx
  xor ah, ah
  SHOW "hma", ax
  mov bx, 0xffff
  mov si, 2
  lea ax, [bx + si]
  SHOW "lea", ax
  LINE ""
  LINE "-- strings"
  xor ax, ax
  mov es, ax
  mov di, 0x1000
  mov cx, 4
  mov ax, 0x4142
  rep stosw
  mov si, 0x1000
  mov di, 0x1008
  mov cx, 8
  es rep movsb
  mov ax, [es:0x100e]
  SHOW "copied", ax
  SHOW "si", si
  SHOW "di", di
  std
  mov si, text_end - 1
  mov di, 0x1107
  mov cx, 8
  rep movsb
  cld
  mov ax, [es:0x1106]
  SHOW "down", ax
  mov di, 0x1100
  mov al, 'e'
  mov cx, 8
  repne scasb
  SHOW "cx", cx
  mov si, text
  mov di, 0x1100
  mov cx, 8
  repe cmpsb
  SHOW "cx", cx
  LINE ""
  LINE "-- 32 bits"
  mov eax, 0x12345678
  push eax
  pop bx
  pop cx
  SHOW "low", bx
  SHOW "high", cx
  mov ecx, 0x10005
  mov dx, 0
.count:
  inc dx
  a32 loop .count
  SHOW "dx", dx
  LINE ""
  LINE "-- unreal mode"
  lgdt [cs:gdt_pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp .pm
.pm:
  mov bx, 8
  mov fs, bx
  and al, 0xfe
  mov cr0, eax
  jmp 0xf000:.rm
.rm:
  mov dword [fs:0x200000], 0xcafe
  mov ax, [fs:dword 0x200000]
  SHOW "2 MiB", ax
  mov bx, fs
  SHOW "fs", bx
  mov bx, 0x20
  mov fs, bx
  mov ax, [fs:dword 0x200000 - 0x200]
  SHOW "base 200", ax
  LINE ""
  LINE "-- far calls"
  call 0xf000:far_target
  call far [cs:far_pointer]
  mov ax, sp
  SHOW "sp", ax
  LINE ""
  LINE "-- one offset in two segments"
  mov ax, 0x2000
  mov gs, ax
  mov dword [es:0x500], 0xcb01c083   ; add ax, 1; retf
  mov dword [gs:0x500], 0xcb10c083   ; add ax, 10h; retf
  xor ax, ax
  mov cx, 3
.both:
  call 0:0x500
  call 0x2000:0x500
  loop .both
  SHOW "sum", ax
  LINE ""
  FINISH
far_target:
  push bp
  mov bp, sp
  mov ax, [bp + 4]
  SHOW "from", ax
  pop bp
  retf
on_int:
  SHOW "int, ax", ax
  pushf
  pop ax
  and ax, 0x200
  SHOW "if", ax
  iret
%macro SKIP 2                   ; text, bytes of the instruction
  SAY %1
  push bp
  mov bp, sp
  add word [bp + 2], %2
  pop bp
  iret
%endmacro
on_divide: SKIP "#0", 2
on_undefined:
  push bp
  mov bp, sp
  push si
  mov si, [bp + 2]
  SAY "#6"
  add word [bp + 2], 2
  pop si
  pop bp
  iret
on_protection: SKIP "#13", 4
on_stack: SKIP "#12", 3
on_bound: SKIP "#5", 4
align 4
limits: dw 0, 5
text: db "tandem e"
text_end:
far_pointer: dw far_target, 0xf000
gdt: dq 0
  dq 0x00cf93000000ffff
gdt_pointer: dw 15
  dd ROM + gdt
