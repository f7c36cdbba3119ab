; Code that changes code: the next instruction, another block, the page beside, through another mapping (SDM vol. 3, 8.1.3).
%include "flat64.inc"
%define CODE 0x50000
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
  LINE "-- the next instruction"
  mov rdi, CODE
  mov rsi, next_code
  mov ecx, next_end - next_code
  rep movsb
  mov eax, CODE
  call rax
  SHOW "eax", rax
  LINE ""
  LINE "-- a function, again and again"
  mov byte [abs CODE], 0xb8
  mov byte [abs CODE + 5], 0xc3
  xor ebx, ebx
  xor ebp, ebp
.again:
  mov [abs CODE + 1], ebx
  mov eax, CODE
  call rax
  add ebp, eax
  inc ebx
  cmp ebx, 1000
  jb .again
  SHOW "sum", rbp
  LINE ""
  LINE "-- data beside code"
  xor ebx, ebx
.beside:
  inc dword [abs CODE + 0x100]
  mov eax, CODE
  call rax
  inc ebx
  cmp ebx, 1000
  jb .beside
  mov eax, [abs CODE + 0x100]
  SHOW "count", rax
  LINE ""
  LINE "-- across two pages"
  mov rdi, CODE + 0xffd
  mov byte [rdi], 0xb8
  mov dword [rdi + 1], 0x11223344
  mov byte [rdi + 5], 0xc3
  call rdi
  SHOW "before", rax
  mov byte [rdi + 4], 0x55
  call rdi
  SHOW "after", rax
  LINE ""
  LINE "-- through another mapping"
  mov rax, CODE
  mov dword [rax + 1], 0x1111
  call rax
  SHOW "one", rax
  mov qword [abs PML4 + 0x1008], 0x83   ; 40000000h: the first GiB again
  mov dword [abs 0x40000000 + CODE + 1], 0x2222
  mov rax, CODE
  call rax
  SHOW "other", rax
  mov rax, 0x40000000 + CODE
  call rax
  SHOW "there", rax
  LINE ""
  LINE "-- rep movs over running code"
  mov rdi, CODE + 0x200
  mov rsi, over_code
  mov ecx, over_end - over_code
  rep movsb
  mov rax, CODE + 0x200
  call rax
  SHOW "eax", rax
  LINE ""
  LINE "-- a page of changing code"
  xor ebx, ebx
  xor ebp, ebp
.page:
  mov eax, ebx
  and eax, 0xff
  shl eax, 3
  lea rdi, [rax + CODE + 0x1000]
  mov byte [rdi], 0xb8
  mov [rdi + 1], ebx
  mov byte [rdi + 5], 0xc3
  call rdi
  add ebp, eax
  inc ebx
  cmp ebx, 2000
  jb .page
  SHOW "sum", rbp
  LINE ""
  FINISH
next_code:
  mov byte [rel .target + 1], 0x42
.target:
  mov al, 0
  movzx eax, al
  ret
next_end:
; Copies a different tail over itself.
over_code:
  mov eax, 1
  lea rsi, [rel .new]
  lea rdi, [rel .old]
  mov ecx, 6
  rep movsb
.old:
  mov eax, 2
  ret
.new:
  mov eax, 3
  ret
over_end:
