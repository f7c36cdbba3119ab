; A floppy whose boot sector shows what is typed, and writes it to the debug console; there, each report of the mouse
; is "[status x y]" in hexadecimal digits.
org 0x7c00
bits 16
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  mov ax, 0xc205  ; INT 15h AH=C2h, the pointing device's interface: initialise, packets of 3 bytes
  mov bh, 3
  int 0x15
  mov ax, 0xc207  ; who is told
  mov bx, moved
  int 0x15
  mov ax, 0xc200  ; on
  mov bh, 1
  int 0x15
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

; Called far by the firmware, with four words on the stack: status, x, y, 0.
moved:
  push bp
  mov bp, sp
  push ax
  mov al, '['
  out 0xe9, al
  mov al, [bp + 12]
  call hex
  mov al, ' '
  out 0xe9, al
  mov al, [bp + 10]
  call hex
  mov al, ' '
  out 0xe9, al
  mov al, [bp + 8]
  call hex
  mov al, ']'
  out 0xe9, al
  pop ax
  pop bp
  retf
hex:
  push ax
  shr al, 4
  call digit
  pop ax
  and al, 15
digit:
  cmp al, 10
  sbb al, 0x69
  das
  out 0xe9, al
  ret
times 510-($-$$) db 0
dw 0xaa55
times 1474560-($-$$) db 0
