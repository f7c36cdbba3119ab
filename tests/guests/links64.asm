; Direct branches to other pages, in ring 0 and in ring 3: over changes of what is mapped at either end, of the address
; space and of the code that they lead to.
%include "flat64.inc"
%define RING 0x20000
%define SAVED_RSP 0x20008
%define TABLE 0x33000            ; of 800000h, and in another address space
%define OTHER_TABLE 0x37000
%define OTHER_PML4 0x34000
%define FROM 0x50000
%define ONE 0x51000
%define OTHER 0x52000
%define TAIL 0x53000
%define OTHER_TAIL 0x54000
%define AT 0x800000
%define TO (AT + 0x1000)
%define AT_TOO 0x810000
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
; Maps the linear page in one address space or both.
%macro MAP 3
  mov qword [abs %1 + (%2 - AT) / 0x1000 * 8], %3 | 7
%endmacro
; Calls R12 50 times in the present ring and adds to RBP what it returns.
%macro GO 1
  mov r12d, %1
  call go
%endmacro
main64:
  mov rax, from_code
  mov edi, FROM
  mov rsi, rax
  mov ecx, from_end - from_code
  rep movsb
  mov edi, ONE
  mov esi, to_code
  mov ecx, to_end - to_code
  rep movsb
  mov byte [abs ONE + 1], 1
  mov edi, OTHER
  mov esi, to_code
  mov ecx, to_end - to_code
  rep movsb
  mov byte [abs OTHER + 1], 2
  ; mov eax, imm32 in two pages; ret
  mov byte [abs ONE + 0xffe], 0xb8
  mov byte [abs ONE + 0xfff], 1
  mov byte [abs OTHER + 0xffe], 0xb8
  mov byte [abs OTHER + 0xfff], 2
  mov dword [abs TAIL], 0xc3000001
  mov dword [abs OTHER_TAIL], 0xc3000002
  mov byte [abs TAIL + 3], 0xc3
  mov qword [abs PML4 + 0x2000 + 4 * 8], TABLE | 7
  mov esi, PML4
  mov edi, OTHER_PML4
  mov ecx, 0x3000 / 8
  rep movsq
  mov qword [abs OTHER_PML4], (OTHER_PML4 + 0x1000) | 7
  mov qword [abs OTHER_PML4 + 0x1000], (OTHER_PML4 + 0x2000) | 7
  mov qword [abs OTHER_PML4 + 0x2000 + 4 * 8], OTHER_TABLE | 7
  mov dword [abs RING], 0
  LINE "-- ring 0"
  call all
  mov dword [abs RING], 3
  LINE "-- ring 3"
  call all
  FINISH
all:
  MAP TABLE, AT, FROM
  MAP TABLE, TO, ONE
  MAP TABLE, AT + 0x2000, TAIL
  MAP TABLE, AT_TOO, FROM
  MAP TABLE, AT_TOO + 0x1000, OTHER
  MAP TABLE, AT_TOO + 0x2000, TAIL
  MAP OTHER_TABLE, AT, FROM
  MAP OTHER_TABLE, TO, OTHER
  MAP OTHER_TABLE, AT + 0x2000, OTHER_TAIL
  mov rax, cr3
  mov cr3, rax
  xor ebp, ebp
  GO AT
  SHOW "called", rbp
  GO AT + jump
  SHOW "jumped", rbp
  GO AT + flags
  SHOW "flags", rbp
  GO AT + loop_across
  SHOW "looped", rbp
  GO AT + into_two
  SHOW "into two", rbp
  LINE ""
  ; the target's page becomes another, by INVLPG
  xor ebp, ebp
  mov ebx, 20
.remap:
  MAP TABLE, TO, OTHER
  invlpg [abs TO]
  GO AT
  MAP TABLE, TO, ONE
  invlpg [abs TO]
  GO AT
  dec ebx
  jnz .remap
  SHOW "remapped", rbp
  ; the same, with no way there but the exit since the address space was loaded; what leads there is translated
  ; anew, now that it is known
  mov al, [abs FROM]
  mov [abs FROM], al
  xor ebp, ebp
  mov ebx, 20
.reload:
  mov rax, cr3
  mov cr3, rax
  GO AT
  MAP TABLE, TO, OTHER
  invlpg [abs TO]
  GO AT
  MAP TABLE, TO, ONE
  invlpg [abs TO]
  dec ebx
  jnz .reload
  SHOW "reloaded", rbp
  ; the second page of a block
  mov ebx, 20
.tail:
  MAP TABLE, AT + 0x2000, OTHER_TAIL
  invlpg [abs AT + 0x2000]
  GO AT + into_two
  MAP TABLE, AT + 0x2000, TAIL
  invlpg [abs AT + 0x2000]
  GO AT + into_two
  dec ebx
  jnz .tail
  SHOW "tail", rbp
  LINE ""
  ; another address space
  xor ebp, ebp
  mov ebx, 20
.space:
  mov eax, OTHER_PML4
  mov cr3, rax
  GO AT
  GO AT + into_two
  mov eax, PML4
  mov cr3, rax
  GO AT
  GO AT + into_two
  dec ebx
  jnz .space
  SHOW "spaces", rbp
  ; the same exit at two addresses, with targets of their own
  mov ebx, 20
.two:
  GO AT
  GO AT_TOO
  dec ebx
  jnz .two
  SHOW "two places", rbp
  ; the target changes
  mov ebx, 20
.patch:
  mov [abs ONE + 1], bl
  GO AT
  dec ebx
  jnz .patch
  SHOW "patched", rbp
  ; the exit changes
  mov byte [abs FROM + skip], 2
  GO AT + skip - 1
  mov byte [abs FROM + skip], 0
  GO AT + skip - 1
  SHOW "exit", rbp
  ; a global page, of which an INVLPG is all that ends it, by code that runs once and goes on to another address space
  mov rax, cr4
  or al, 0x80
  mov cr4, rax
  MAP TABLE, TO, ONE | 0x100
  mov byte [abs ONE + 1], 1
  GO AT
%rep 3
  MAP TABLE, TO, OTHER | 0x100
  invlpg [abs TO]
  mov rax, cr3
  mov cr3, rax
  GO AT
  MAP TABLE, TO, ONE | 0x100
  invlpg [abs TO]
  mov rax, cr3
  mov cr3, rax
  GO AT
%endrep
  mov rax, cr4
  and al, 0x7f
  mov cr4, rax
  SHOW "global", rbp
  ; nothing is there any more
  mov qword [abs TABLE + 8], 0
  invlpg [abs TO]
  mov qword [abs RESUME], .gone
  mov [abs SAVED_RSP], rsp
  GO AT
.gone:
  mov rsp, [abs SAVED_RSP]
  LINE ""
  ret
go:
  cmp dword [abs RING], 0
  jne .user
  push rbx
  call calls
  pop rbx
  ret
.user:
  ENTER_USER64 user
  ret
user:
  call calls
  USER_LEAVE64
calls:
  mov r14d, 50
.next:
  call r12
  add rbp, rax
  dec r14d
  jnz .next
  ret
; A page of exits, and one of their targets. Both are position independent.
from_code:
  call from_code + 0x1000
  ret
jump equ $ - from_code
  jmp from_code + 0x1000
flags equ $ - from_code
  xor eax, eax
  stc
  jc from_code + 0x1000 + carry
  ret
loop_across equ $ - from_code
  mov ecx, 10
.again:
  jmp from_code + 0x1000 + back
into_two equ $ - from_code
  jmp from_code + 0x1ffe
skip equ $ - from_code + 1
  jmp short $ + 2
  jmp short $ + 7
  jmp from_code + 0x1000
  mov eax, 4
  ret
from_end:
to_code:
  mov eax, 0
  ret
carry equ $ - to_code
  setc al
  ret
back equ $ - to_code
  dec ecx
  jnz to_code - 0x1000 + loop_back
  mov eax, 3
  ret
loop_back equ from_code.again - from_code
to_end:
