; A floppy whose boot sector shows what is typed, and writes it to the debug console.
org 0x7c00
bits 16
  xor ax, ax
  mov ss, ax
  mov sp, 0x7c00
  mov al, '>'
  call put
.next:
  xor ah, ah
  int 0x16
  or al, al
  jz .next
  call put
  jmp .next
put:
  out 0xe9, al
  mov ah, 0x0e
  mov bx, 7
  int 0x10
  ret
times 510-($-$$) db 0
dw 0xaa55
times 1474560-($-$$) db 0
