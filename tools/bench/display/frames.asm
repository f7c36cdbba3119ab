; A boot sector that fills the screen of a VBE mode of 1024 x 768 x 32 sixty times a second, for ten seconds, and prints how
; often it did.
%include "boot.inc"
%define FRAMES 600
main:
  mov di, info              ; the mode of that size
  mov cx, 0x100
.mode:
  mov ax, 0x4f01
  push cx
  int 0x10
  pop cx
  cmp ax, 0x004f
  jne .next
  cmp dword [info + 0x12], 768 << 16 | 1024
  jne .next
  cmp byte [info + 0x19], 32
  je .found
.next:
  inc cx
  cmp cx, 0x200
  jb .mode
  mov al, 1
  jmp finish
.found:
  mov bx, cx
  or bx, 0x4000
  mov ax, 0x4f02
  int 0x10
  cli                       ; ES for 4 GiB
  lgdt [gdtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  mov bx, 8
  mov es, bx
  and al, 0xfe
  mov cr0, eax
  xor bx, bx
  mov es, bx
  mov word [8*4], tick
  mov word [8*4 + 2], 0
  mov al, 0x34
  out 0x43, al
  mov al, 19886 & 0xff
  out 0x40, al
  mov al, 19886 >> 8
  out 0x40, al
  sti
  xor ebp, ebp
.frame:
  mov bx, [ticks]
.wait:
  hlt
  cmp bx, [ticks]
  je .wait
  imul eax, ebp, 0x00030507
  mov edi, [info + 0x28]
  mov ecx, 1024 * 768
  a32 rep stosd
  inc ebp
  cmp word [ticks], FRAMES
  jb .frame
  SAY "frames "
  mov ax, bp
  call hex16
  SAY 10
  mov al, 42
  jmp finish
tick:
  push ax
  inc word [ticks]
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
ticks: dw 0
align 8
gdt: dq 0, 0x00cf92000000ffff
gdtr: dw 15
  dd gdt
info equ 0x9000
  SECTOR
  times 1440*1024-($-$$) db 0
