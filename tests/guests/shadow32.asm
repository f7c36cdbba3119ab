; Shadow RAM: the host bridge's PAM registers while code runs from the memory that they switch (82441FX data sheet,
; 3.2.18).
%include "flat32.inc"
%define CODE 0xc8000
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
section flat
bits 32
; AL: attributes of C8000h..CBFFFh, the low half of 5Bh.
attributes:
  push eax
  mov dx, 0xcf8
  mov eax, 0x80000058
  out dx, eax
  mov dx, 0xcfc + 3
  pop eax
  out dx, al
  ret
; Makes the function at CODE return AL, where it can be written.
define:
  mov byte [CODE], 0xb8         ; mov eax, imm32
  movzx eax, al
  mov [CODE + 1], eax
  mov byte [CODE + 5], 0xc3     ; ret
  ret
; Often enough to be translated.
repeat_call:
  mov ecx, 300
.next:
  mov edi, CODE
  call edi
  loop .next
  ret
%macro RUN 1
  call repeat_call
  SHOW %1, eax
  LINE ""
%endmacro
main32:
  mov al, 3
  call attributes
  mov al, 1
  call define
  RUN "read and write"
  mov al, 2
  call define
  RUN "written again"
  mov al, 1
  call attributes
  mov al, 3
  call define
  RUN "read only"
  mov al, 2
  call attributes
  mov al, 4
  call define
  mov al, 1
  call attributes
  RUN "written unseen"
  mov al, 3
  call attributes
  lock add dword [CODE + 1], 0x10
  RUN "added to"
  mov al, 1
  call attributes
  lock add dword [CODE + 1], 0x10
  RUN "not added to"
  FINISH
