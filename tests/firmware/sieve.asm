; Sieve and CRC in real mode: 2000 rounds over a 32 KiB segment, for docs/performance.md. Ends by the exit
; port 501h with 42.
%include "boot.inc"
main:
  mov ax, 0x2000
  mov es, ax
  mov bp, 2000
round:
  mov cx, 0x4000            ; all of them may be primes
  xor di, di
.fill:
  mov word [es:di], 0x0101
  add di, 2
  dec cx
  jnz .fill
  mov bx, 2
.next:
  cmp byte [es:bx], 0
  je .composite
  mov si, bx
.cross:
  add si, bx
  cmp si, 0x7fff
  ja .composite
  mov byte [es:si], 0
  jmp .cross
.composite:
  inc bx
  cmp bx, 181
  jb .next
  call crc
  dec bp
  jnz round
  mov al, 42
  mov dx, 0x501
  out dx, al
  hlt
; AX: CRC-16 of the first 4 KiB.
crc:
  push bx
  xor ax, ax
  xor di, di
.byte:
  xor al, [es:di]
  mov bl, 8
.bit:
  shr ax, 1
  jnc .even
  xor ax, 0xa001
.even:
  dec bl
  jnz .bit
  inc di
  cmp di, 4096
  jb .byte
  mov [sum], ax
  pop bx
  ret
sum: dw 0
SECTOR
