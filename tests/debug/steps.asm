; A guest for the debugger: real mode, 32-bit and 64-bit code with known places, whose linear addresses stand behind
; the word LABELS in the order of stub_test.cpp's enum.
%include "flat64.inc"
%define CELL FREE + 0x100
section low
bits 16
main16:
  mov ax, 0x1234
after_real:
  mov bx, ax
  mov ebx, main32
  jmp enter_flat32
align 8
  db "LABELS  "
  dq ROM + main16, ROM + after_real, main32, main64, work, repeated, after_repeated, fault, after_fault, written
  dq after_write, after_read, after_update, after_vector, after_push, patched, spin, after_spin, done, neighbour
  dq held
section flat
bits 32
main32:
  mov eax, 0x11223344
  mov ebx, main64
  jmp enter_flat64
bits 64
main64:
  mov eax, 0x40490fdb
  movd xmm0, eax
  fldpi
  mov ecx, 3
.again:
  call work
  dec ecx
  jnz .again
  mov edi, FREE
  mov ecx, 5000
repeated:
  rep stosb
after_repeated:
  mov qword [RESUME], after_fault
fault:
  ud2
after_fault:
  mov rbx, CELL
neighbour:
  mov dword [rbx - 4], 1
  mov dword [rbx + 4], 1
  mov eax, [rbx + 8]
written:
  mov dword [rbx], 7
after_write:
  mov eax, [rbx]
after_read:
  lock add dword [rbx], 1
after_update:
  movups [rbx - 8], xmm0
after_vector:
  mov rdx, rsp
  lea rsp, [rbx + 8]
  push rax
after_push:
  mov rsp, rdx
patched:
  mov esi, 1
  mov ecx, 300000
spin:
  call work
  dec ecx
  jnz spin
after_spin:
  nop
done:
  FINISH
held:                         ; for good: a debugger leads here and away
  pause
  jmp held
work:
  inc r8
  ret
