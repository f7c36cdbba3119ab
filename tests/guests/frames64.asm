; Accesses beside each other that lie on two pages: what the registers hold on the way from one check for all of them
; to one for each. Every block has that way to itself when it runs for the first time.
%include "flat64.inc"
%define BOUNDARY 0x200000

section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32

section flat
bits 32
main32:
  mov ebx, main64
  jmp enter_flat64

bits 64
%macro FRAME 1
  mov rbp, BOUNDARY - %1 * 8
  mov r13, 0x1300000000000000 + %1
  mov r15, 0x1500000000000000 + %1
  mov r12, 0x1200000000000000 + %1
  mov [rbp], r13
  mov [rbp + 8], r15
  mov [rbp + 16], r12
  mov r13, [rbp + 8]
  mov r15, [rbp]
  sub [rbp + 16], r13
  xor r15, [rbp + 16]
  add rax, r15
  rol rax, 1
  jmp %%behind                  ; ends the block
%%behind:
%endmacro

main64:
  LINE "-- frames on two pages"
  mov ecx, 3
.again:
  xor eax, eax
%assign n 0
%rep 6
  FRAME n
%assign n n + 1
%endrep
  push rcx
  SHOW "sum", rax
  LINE ""
  pop rcx
  dec ecx
  jnz near .again
  FINISH
