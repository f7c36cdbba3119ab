; Branches in 64-bit mode: what they take along to a block that starts like another one in its low address bits.
%include "flat64.inc"
%define ONE 0x50000
%define OTHER 0x60000
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
main64:
  mov dword [abs ONE], 0xc3c039         ; cmp eax, eax; ret
  mov dword [abs OTHER], 0xc3c0920f     ; setc al; ret
  LINE "-- flags, by an indirect call"
  xor ebx, ebx
  xor ebp, ebp
.indirect:
  mov ecx, ONE
  call rcx
  mov ecx, OTHER
  stc
  call rcx
  add ebp, eax
  inc ebx
  cmp ebx, 100
  jb .indirect
  SHOW "set", rbp
  LINE ""
  LINE "-- flags, by a jump to another page"
  xor ebx, ebx
  xor ebp, ebp
.direct:
  mov ecx, ONE
  call rcx
  stc
  call OTHER
  add ebp, eax
  clc
  call OTHER
  add ebp, eax
  inc ebx
  cmp ebx, 100
  jb .direct
  SHOW "set", rbp
  LINE ""
  FINISH
