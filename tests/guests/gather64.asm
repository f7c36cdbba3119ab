; Gathers and scatters: again and again at one place, with elements that are masked, far away, refused in the middle and
; mended. Scatters are stores one by one where the CPU has no AVX-512.
%include "flat64.inc"
%define EDGE 0x800000            ; a page that comes and goes begins here
%define ENTRY (PML4 + 0x2000 + EDGE / 0x200000 * 8)
%define DATA 0x600000
%define DATA_BYTES 0x8000
%define OUT 0x680000
%define INDEX 0x690000           ; four of 64 bits
%define MASK 0x690040
%define HAS_SCATTERS 0x690080
%define RESULT 0x6900c0
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
; Each: base RBX, with indices and mask as they are in memory, into YMM0, from which nothing else is taken.
%macro GATHER 2
  jmp .block
.block:
  mov r13, rbx
  lea r15, [rbx - 64]
  vmovdqu ymm1, [abs INDEX]
  vmovdqu ymm2, [abs MASK]
  vpcmpeqd ymm0, ymm0, ymm0
.again:
  %1 %2
  jmp .end
.end:
  vmovdqu [abs RESULT], ymm0
  vptest ymm2, ymm2
  setz al
  ret
%endmacro
doubles_by_doubles:
  GATHER vpgatherdd, {ymm0, [rbx + ymm1 * 4], ymm2}
quads_by_doubles:
  GATHER vpgatherdq, {ymm0, [r13 + xmm1 * 8], ymm2}
doubles_by_quads:
  GATHER vpgatherqd, {xmm0, [r15 + ymm1 * 2 + 64], xmm2}
quads_by_quads:
  GATHER vpgatherqq, {ymm0, [rbx + ymm1 * 8], ymm2}
quads_by_quads_high:
  vmovdqu ymm9, [abs INDEX]
  GATHER vpgatherqq, {ymm0, [r15 + ymm9 * 8 + 64], ymm2}
floats_by_doubles:
  GATHER vgatherdps, {xmm0, [rbx + xmm1 * 8 - 4], xmm2}
; XMM8 at RBX by the doublewords in XMM1.
scatter:
  jmp .block
.block:
  vmovdqu ymm1, [abs INDEX]
  vmovdqu xmm8, [abs RESULT]
  cmp dword [abs HAS_SCATTERS], 0
  je .one_by_one
  mov eax, 15
  kmovw k1, eax
.again:
  vpscatterdd [rbx + xmm1 * 4]{k1}, xmm8
  kmovw eax, k1
  ret
.one_by_one:
%assign n 0
%rep 4
  movsxd rax, dword [abs INDEX + n * 4]
  mov ecx, [abs RESULT + n * 4]
  mov [rbx + rax * 4], ecx
%assign n n + 1
%endrep
  xor eax, eax
  ret
report:
  SHOW "mask", rax
  xor r10d, r10d
  mov ecx, 4
.word:
  add r10, [rdx + rcx * 8 - 8]
  rol r10, 7
  loop .word
  SHOW "sum", r10
  LINE ""
  ret
fill:
  mov rax, 0xfedcba9876543210
  mov edi, DATA
  call .some
  mov edi, EDGE - DATA_BYTES / 2
  call .some
  ret
.some:
  mov ecx, DATA_BYTES / 8
.word:
  mov [rdi], rax
  ror rax, 5
  xor rax, rcx
  add edi, 8
  loop .word
  ret
; Of four quadwords.
%macro WORDS 5
  mov rax, %2
  mov [abs %1], rax
  mov rax, %3
  mov [abs %1 + 8], rax
  mov rax, %4
  mov [abs %1 + 16], rax
  mov rax, %5
  mov [abs %1 + 24], rax
%endmacro
; Routine and base, several times.
%macro RUN 2
  mov qword [abs RESUME], %%after
  mov rbp, rsp
  mov r12d, 5
%%more:
  mov rbx, %2
  xor eax, eax
  call %1
  dec r12d
  jnz %%more
%%after:
  mov rsp, rbp
  movzx eax, al
  mov edx, RESULT
  call report
%endmacro
; What is gone comes back when it is missed, and the instruction goes on where it was.
%macro MEND 2
  mov qword [abs RESUME], %%mend
  mov rbp, rsp
  mov r12d, 3
%%more:
  mov qword [abs ENTRY], 0
  invlpg [abs EDGE]
  mov rbx, EDGE
  xor eax, eax
  call %1
  jmp %%after
%%mend:
  mov qword [abs ENTRY], EDGE | 0x87
  invlpg [abs EDGE]
  jmp %1.again
%%after:
  dec r12d
  jnz %%more
  mov rsp, rbp
  movzx eax, al
  mov edx, %2
  call report
%endmacro
main64:
  mov rax, cr4
  bts rax, 18
  mov cr4, rax
  mov eax, 7
  xor ecx, ecx
  cpuid
  and ebx, 1 << 31 | 1 << 16    ; AVX512VL, AVX512F
  xor edx, edx
  mov eax, 7
  cmp ebx, 1 << 31 | 1 << 16
  jne .avx
  mov dword [abs HAS_SCATTERS], 1
  mov eax, 0xe7
.avx:
  xor ecx, ecx
  xsetbv
  call fill
  LINE "-- all elements"
  WORDS MASK, -1, -1, -1, -1
  WORDS INDEX, 0x0000000300000001, 0x0000003100000002, 0x0000010000000000, 0x00000fff00000111
  RUN doubles_by_doubles, DATA
  RUN quads_by_doubles, DATA
  RUN floats_by_doubles, DATA
  WORDS INDEX, 1, 0x77, 0x700, 2
  RUN doubles_by_quads, DATA
  RUN quads_by_quads, DATA
  RUN quads_by_quads_high, DATA
  LINE "-- below the base"
  WORDS INDEX, 0xffffffff00000001, 0xfffffffefffffffd, 0x00000002fffffc00, 0xfffffff000000000
  RUN doubles_by_doubles, DATA + DATA_BYTES / 2
  RUN quads_by_doubles, DATA + DATA_BYTES / 2
  WORDS INDEX, -1, 5, -0x100, 0x100
  RUN quads_by_quads, DATA + DATA_BYTES / 2
  LINE "-- far indices"
  WORDS INDEX, 1 << 37 | 1, 1 << 37, 1 << 37 | 0x33, 1 << 37 | 2
  RUN quads_by_quads, DATA - (1 << 40)
  RUN quads_by_quads_high, DATA - (1 << 40)
  WORDS INDEX, 1 << 39 | 4, 1 << 39 | 8, 1 << 39, 1 << 39 | 2
  RUN doubles_by_quads, DATA - (1 << 40)
  WORDS INDEX, 1, 2, 1 << 44, 3
  RUN quads_by_quads, DATA
  WORDS INDEX, 1, 2, 3, 0
  RUN quads_by_quads, 0x1234567800000000
  LINE "-- masked elements are nowhere"
  WORDS MASK, -1, 0, 0xffffffff, -1
  WORDS INDEX, 1, 1 << 60, 3, 4
  RUN quads_by_quads, DATA
  WORDS MASK, 0x80000000, 0x7fffffff00000000, -1, 0
  WORDS INDEX, 0x7fffffff00000001, 0x7fffffff80000000, 0x0000000300000004, 0x8000000080000000
  RUN doubles_by_doubles, DATA
  WORDS MASK, 0, 0, 0, 0
  RUN doubles_by_doubles, 0x1234567800000000
  LINE "-- a page that is gone"
  WORDS MASK, -1, -1, -1, -1
  WORDS INDEX, 0xffffffff00000001, 0xfffffffefffffffd, 0x00000002fffffc00, 0xfffffff000000000
  MEND doubles_by_doubles, RESULT
  MEND quads_by_doubles, RESULT
  WORDS INDEX, -1, 5, -0x100, 0x100
  MEND quads_by_quads, RESULT
  MEND quads_by_quads_high, RESULT
  LINE "-- scatters"
  WORDS INDEX, 0x0000000200000001, 0x0000000200000000, 0, 0
  WORDS RESULT, 0x1111111122222222, 0x3333333344444444, 0, 0
  WORDS OUT, 5, 6, 7, 8
  mov r12d, 5
.scatter:
  mov ebx, OUT
  call scatter
  add dword [abs RESULT], 1
  dec r12d
  jnz .scatter
  mov edx, OUT
  call report
  WORDS INDEX, 0x00000001ffffffff, 0x00000000fffffffe, 0, 0
  cmp dword [abs HAS_SCATTERS], 0
  jne .mend
  SAY " #14(0002) cr2="
  SAY "0000000000800004 #14(0002) cr2=0000000000800004 #14(0002) cr2=0000000000800004"
  mov ebx, EDGE
  call scatter
  mov edx, EDGE - 8
  call report
  jmp .done
.mend:
  MEND scatter, EDGE - 8
.done:
  FINISH
