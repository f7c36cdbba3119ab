; Additions that hand their carry on over accesses that fault in the middle, and indices that lead far from their base:
; what the registers and flags are then. A page that is there is touched for the first time on the way, too.
%include "flat64.inc"
%define EDGE 0x800000            ; a page that comes and goes begins here
%define ENTRY (PML4 + 0x2000 + EDGE / 0x200000 * 8)
%define A 0x600000
%define B 0x640000
%define SUM 0x680000
%define WORDS 8
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
; RDX[] = RSI[] + RDI[] + CF
add_words:
  jmp .block
.block:
%assign n 0
%rep WORDS
  mov rax, [rsi + n * 8]
  adc rax, [rdi + n * 8]
  mov [rdx + n * 8], rax
  lea r9, [rax + n]
%assign n n + 1
%endrep
  jmp .end
.end:
  ret
; RDX[] = RSI[] - RDI[] - CF, by R13 and R15, with the sum in memory
subtract_words:
  jmp .block
.block:
%assign n 0
%rep WORDS
  mov r13, [rsi + n * 8]
  mov r15, [rdi + n * 8]
  mov [rdx + n * 8], r13
  sbb [rdx + n * 8], r15
%assign n n + 1
%endrep
  jmp .end
.end:
  ret
; Of the flags behind a fault only the one that the next instruction reads: the translator does not keep others.
report:
  pushfq
  pop r8
  and r8d, 0x8d5
  cmp dword [abs LAST_VECTOR], 14
  jne .all
  and r8d, 1
.all:
  SHOW "rax", rax
  SHOW "r9", r9
  SHOW "r13", r13
  SHOW "r15", r15
  SHOW "flags", r8
  xor r10d, r10d
  mov ecx, WORDS
.word:
  add r10, [rdx + rcx * 8 - 8]
  rol r10, 7
  loop .word
  SHOW "sum", r10
  ret
; Routine, RSI, RDI, RDX: prints how it ends, and the words at RDX from SUM on.
%macro CALC 4
  mov qword [abs RESUME], %%after
  mov dword [abs LAST_VECTOR], 0
  mov rbp, rsp
  mov esi, %2
  mov edi, %3
  mov edx, %4
  xor eax, eax
  xor r9d, r9d
  xor r13d, r13d
  xor r15d, r15d
  stc
  call %1
%%after:
  mov rsp, rbp
  mov edx, SUM
  call report
  LINE ""
%endmacro
%macro ALL 1
%assign p 1
%rep WORDS
  CALC %1, EDGE - p * 8, B, SUM
  CALC %1, A, EDGE - p * 8, SUM + p * 0x1000
  CALC %1, A, B, EDGE - p * 8
%assign p p + 1
%endrep
%endmacro
; Fills what is below and behind the edge, and the operands.
fill:
  mov rax, 0xfedcba9876543210
  mov edi, A
  call .some
  mov edi, B
  call .some
  mov edi, EDGE - WORDS * 8
  call .some
  ret
.some:
  mov ecx, 2 * WORDS
.word:
  mov [rdi], rax
  ror rax, 5
  xor rax, rcx
  add edi, 8
  loop .word
  ret
; R12D: an index. In one block with an access by the base alone.
far_index:
  jmp .block
.block:
  mov rax, [rbx]
  mov ecx, r12d
  add rax, [rbx + rcx * 8]
  jmp .end
.end:
  ret
far_signed_index:
  jmp .block
.block:
  mov rax, [rbx]
  movsxd rcx, r12d
  add rax, [rbx + rcx * 8]
  jmp .end
.end:
  ret
far_from_stack:
  jmp .block
.block:
  mov rax, [rsp]
  movsxd rcx, r12d
  mov rax, [rsp + rcx * 4]
  jmp .end
.end:
  ret
; A loop in which the index is small, and then is not.
growing_index:
  xor ecx, ecx
.again:
  mov rax, [rbx]
  mov rax, [rbx + rcx * 8]
  lea rcx, [rcx + rcx * 4 + 1]
  shl rcx, 12
  dec r12d
  jnz .again
  ret
%macro FAR 2
  mov qword [abs RESUME], %%after
  mov rbp, rsp
  mov ebx, A
  mov r12d, %2
  xor eax, eax
  call %1
%%after:
  mov rsp, rbp
  SHOW "rcx", rcx
  LINE ""
%endmacro
main64:
  mov ebx, 2
.round:
  push rbx
  call fill
  LINE "-- with the page"
  ALL add_words
  ALL subtract_words
  mov qword [abs ENTRY], 0
  mov rax, cr3
  mov cr3, rax
  LINE "-- without the page"
  ALL add_words
  ALL subtract_words
  mov qword [abs ENTRY], EDGE | 0x87
  pop rbx
  dec ebx
  jnz near .round
  LINE "-- far"
  FAR far_index, 0
  FAR far_index, 1
  FAR far_index, 0x10000000
  FAR far_index, 0xffffffff
  FAR far_signed_index, 1
  FAR far_signed_index, 0xffffffff
  FAR far_signed_index, 0x80000000
  FAR far_from_stack, 0
  FAR far_from_stack, 0x7fffffff
  FAR far_from_stack, 0x80000000
  FAR growing_index, 1
  FAR growing_index, 2
  FAR growing_index, 3
  FAR growing_index, 4
  FAR growing_index, 9
  FINISH
