; Started from a disc without emulation (El Torito): reads the disc by INT 13h's extended read, finds DATA.BIN in its root
; folder (ISO 9660) and prints the sum of its bytes. Ends with 42, or the number of the step that failed.
%include "boot.inc"
%define BUFFER 0x9000
main:
  mov bl, 1
  mov eax, 16               ; the primary volume descriptor
  call read
  mov bl, 2
  cmp dword [BUFFER + 1], "CD00"
  jne fail
  mov eax, [BUFFER + 156 + 2]
  call read
  mov si, BUFFER
  mov bl, 3
.entry:
  cmp byte [si], 0
  je fail
  cmp dword [si + 33], "DATA"
  je .found
  movzx ax, byte [si]
  add si, ax
  jmp .entry
.found:
  mov eax, [si + 2]
  mov ebp, [si + 10]        ; bytes
  xor ecx, ecx              ; their sum
.sector:
  push eax
  call read
  mov si, BUFFER
  mov di, 2048
.byte:
  movzx eax, byte [si]
  inc si
  add ecx, eax
  dec ebp
  jz .sum
  dec di
  jnz .byte
  pop eax
  inc eax
  jmp .sector
.sum:
  SAY "sum "
  mov eax, ecx
  shr eax, 16
  call hex16
  mov ax, cx
  call hex16
  SAY 10
  mov al, 42
  jmp finish
; The disc's sector EAX to BUFFER.
read:
  pushad
  mov [packet.sector], eax
  mov ah, 0x42
  mov dl, [drive]
  mov si, packet
  int 0x13
  popad
  jc fail
  ret
fail:
  mov al, bl
  jmp finish
align 4
packet:
  dw 16, 1, BUFFER, 0
.sector: dd 0, 0
  times 2048-($-$$) db 0
