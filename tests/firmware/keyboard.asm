; Keys as the BIOS gives them (INT 16h) until Escape, then as they come from port 60h, by an own handler of INT 9, until F10.
%include "boot.inc"
main:
  SAY "keys", 10
.bios:
  mov ah, 0
  int 0x16
  call hex16
  mov cx, ax
  SAY 10
  cmp cl, 27
  jne .bios
  cli
  mov word [9*4], on_key
  mov word [9*4 + 2], 0
  sti
  SAY "codes", 10
  mov di, codes
.codes:
  cmp di, [end]
  je .codes
  mov al, [di]
  inc di
  mov bl, al
  call hex8
  SAY 10
  cmp bl, 0xc4              ; F10 is let go
  jne .codes
  mov al, 42
  jmp finish
on_key:
  push ax
  push bx
  in al, 0x60
  mov bx, [end]
  mov [bx], al
  inc word [end]
  mov al, 0x20
  out 0x20, al
  pop bx
  pop ax
  iret
end: dw codes
codes equ 0x8000
  SECTOR
  times 1440*1024-($-$$) db 0
