; 64-bit mode: faults, canonical addresses, NX, SMEP, SMAP, system calls, MSRs, state images (SDM vol. 3).
%include "flat64.inc"
%define TAB 0x38000             ; page table for 40000000h..
%define PAGES 0x40000
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
  LINE "-- canonical addresses"
  mov rbx, 0x0000800000000000
  TRY "read", mov rax, [rbx]
  mov rbp, rbx
  TRY "read by rbp", mov rax, [rbp]
  TRY "jump", jmp rbx
  mov rbx, 0xffff800000000000
  TRY "canonical, not present", mov rax, [rbx]
  mov rbx, 0x00007ffffffffffc
  TRY "across the hole", mov rax, [rbx]
  mov rax, [abs 0x3ffff8]       ; in the same entry of a TLB that has 1024
  mov rax, cr3
  mov cr3, rax
  mov rsi, -8
  TRY "last of all, not present", lodsq
  mov rsi, 0x8000000000000000
  TRY "string", lodsb
  LINE "-- modes of operands"
  mov rax, -1
  mov eax, 1
  SHOW "mov eax", rax
  mov rax, -1
  mov ax, 1
  SHOW "mov ax", rax
  movsxd rax, dword [abs minus]
  SHOW "movsxd", rax
  push word 0x1234
  mov rcx, rsp
  add rsp, 2
  push -2
  pop rax
  SHOW "push imm8", rax
  LINE ""
  TRY "push es", db 0x06
  TRY "aaa", db 0x37
  TRY "les", db 0xc4, 0xff
  TRY "far call imm", db 0x9a
  TRY "salc", db 0xd6
  LINE "-- paging"
  mov qword [abs PML4 + 0x1008], (PML4 + 0x7000) | 7
  mov qword [abs PML4 + 0x7000], TAB | 7
  mov rax, PAGES | 7
  mov [abs TAB], rax
  mov rax, 0x8000000000000007 | PAGES + 0x1000
  mov [abs TAB + 8], rax
  mov rax, PAGES + 0x2000 | 3
  mov [abs TAB + 16], rax
  mov rax, 0x0000010000000007 | PAGES
  mov [abs TAB + 24], rax
  mov byte [abs PAGES], 0xc3
  mov byte [abs PAGES + 0x1000], 0xc3
  mov byte [abs PAGES + 0x2000], 0xc3
  mov rax, 0x40000000
  TRY "call", call rax
  mov rax, 0x40001000
  TRY "call nx", call rax
  mov rsp, FLAT_STACK
  TRY "read nx", mov cl, [rax]
  TRY "reserved bit", mov cl, [rax + 0x2000]
  mov qword [abs PML4 + 0x1010], 0x83   ; 1 GiB page
  mov rax, 0x80000000 + PAGES
  movzx ecx, byte [rax]
  SHOW "1 GiB", rcx
  LINE ""
  LINE "-- smep, smap"
  ; low memory and the ROM to supervisor pages
  and byte [abs PML4 + 0x2000], 0xfb
  mov rax, cr3
  mov cr3, rax
  mov rax, cr4
  or rax, 0x300000
  mov cr4, rax
  mov rbx, 0x40000000
  TRY "fetch user", call rbx
  mov rsp, FLAT_STACK
  TRY "read user", mov al, [rbx]
  TRY "write user", mov [rbx + 8], al
  stac
  TRY "read user, ac", mov al, [rbx]
  clac
  TRY "read user, no ac", mov al, [rbx]
  mov rax, cr4
  and rax, ~0x300000
  mov cr4, rax
  or byte [abs PML4 + 0x2000], 4
  mov rax, cr3
  mov cr3, rax
  LINE "-- control registers"
  mov rax, cr0
  and rax, ~1
  TRY "pe off", mov cr0, rax
  mov rax, cr4
  and rax, ~0x20
  TRY "pae off", mov cr4, rax
  mov rax, cr4
  bts rax, 40
  TRY "cr4 reserved", mov cr4, rax
  mov rax, 1
  shl rax, 52
  TRY "cr3 reserved", mov cr3, rax
  TRY "cr1", db 0x0f, 0x20, 0xc8
  TRY "cr8 big", mov cr8, rax
  mov eax, 5
  mov cr8, rax
  mov rax, cr8
  SHOW "cr8", rax
  xor eax, eax
  mov cr8, rax
  LINE ""
  LINE "-- msrs"
  mov ecx, 0xc0000101
  mov eax, 0x89abcdef
  mov edx, 0x00001234
  wrmsr
  xor eax, eax
  rdmsr
  SHOW "gs base", rax
  swapgs
  rdmsr
  SHOW "swapped", rax
  swapgs
  rdmsr
  SHOW "back", rax
  LINE ""
  mov edx, 0x00008000
  TRY "not canonical", wrmsr
  mov ecx, 0x12345678
  TRY "no such msr", rdmsr
  xor eax, eax
  xor edx, edx
  mov ecx, 0xc0000101
  wrmsr
  mov rax, cr4
  bts rax, 16
  mov cr4, rax
  mov rax, 0x123456789abc
  wrgsbase rax
  rdgsbase rcx
  SHOW "gs", rcx
  mov eax, 0x1000
  wrfsbase rax
  mov qword [abs 0x1010], 0x77
  mov rax, [fs:0x10]
  SHOW "fs:", rax
  LINE ""
  xor eax, eax
  wrgsbase rax
  wrfsbase rax
  mov rax, cr4
  btr rax, 16
  mov cr4, rax
  TRY "fsgsbase off", rdgsbase rcx
  LINE "-- syscall"
  mov ecx, 0xc0000081
  xor eax, eax
  mov edx, 0x00500048
  wrmsr
  mov ecx, 0xc0000082
  mov eax, syscalled
  xor edx, edx
  wrmsr
  mov ecx, 0xc0000084
  mov eax, 0x4d5
  xor edx, edx
  wrmsr
  ENTER_USER64 user
  LINE "-- x87 and vector images"
  fninit
  fld1
  fldpi
  mov edi, PAGES + 0x3000
  fxsave64 [rdi]
  movzx eax, word [rdi]
  SHOW "fcw", rax
  movzx eax, word [rdi + 2]
  SHOW "fsw", rax
  movzx eax, byte [rdi + 4]
  SHOW "tags", rax
  mov rax, [rdi + 32]
  SHOW "st0", rax
  fnstenv [rdi + 0x200]
  mov eax, [rdi + 0x208]
  SHOW "tag word", rax
  fnsave [rdi + 0x280]
  fnstsw ax
  movzx eax, ax
  SHOW "after fnsave", rax
  frstor [rdi + 0x280]
  fnstsw ax
  movzx eax, ax
  SHOW "frstor", rax
  fninit
  fxrstor64 [rdi]
  fldenv [rdi + 0x200]
  fnstsw ax
  movzx eax, ax
  SHOW "fldenv", rax
  LINE ""
  TRY "fxsave misaligned", fxsave [rdi + 8]
  mov dword [rdi + 24], 0x10000
  TRY "mxcsr reserved", fxrstor [rdi]
  mov dword [rdi], 0x1f80
  ldmxcsr [rdi]
  stmxcsr [rdi + 4]
  mov eax, [rdi + 4]
  SHOW "mxcsr", rax
  LINE ""
  TRY "xgetbv without osxsave", xgetbv
  mov rax, cr4
  bts rax, 18
  mov cr4, rax
  xor ecx, ecx
  xgetbv
  SHOW "xcr0", rax
  xor edx, edx
  mov eax, 7
  xsetbv
  xgetbv
  SHOW "avx", rax
  LINE ""
  mov eax, 6
  TRY "xcr0 without x87", xsetbv
  mov eax, 5
  TRY "avx without sse", xsetbv
  mov edi, PAGES + 0x4000
  mov ecx, 0x400
  xor eax, eax
  push rdi
  rep stosb
  pop rdi
  mov rax, 0x1122334455667788
  vmovq xmm3, rax
  vinsertf128 ymm3, ymm3, xmm3, 1
  mov eax, 7
  xor edx, edx
  xsave [rdi]
  mov rax, [rdi + 512]
  SHOW "xstate_bv", rax
  mov rax, [rdi + 576 + 48]
  SHOW "ymm3 high", rax
  vzeroupper
  mov eax, 7
  xor edx, edx
  xsaveopt [rdi + 0x400]
  vzeroall
  mov eax, 4
  xor edx, edx
  xrstor [rdi]
  vextractf128 xmm4, ymm3, 1
  vmovq rax, xmm4
  SHOW "restored", rax
  vmovq rax, xmm3
  SHOW "low", rax
  LINE ""
  mov eax, 7
  xor edx, edx
  mov qword [rdi + 512], 0x80
  TRY "xrstor bad header", xrstor [rdi]
  TRY "xsave misaligned", xsave [rdi + 8]
  vstmxcsr [rdi]
  mov eax, [rdi]
  SHOW "vstmxcsr", rax
  vldmxcsr [rdi]
  mov rax, cr0
  or rax, 8
  mov cr0, rax
  LINE ""
  TRY "ts: fld1", fld1
  TRY "ts: sse", xorps xmm0, xmm0
  TRY "ts: fwait without mp", fwait
  clts
  mov rax, cr0
  or rax, 4
  mov cr0, rax
  TRY "em: fld1", fld1
  TRY "em: sse", xorps xmm0, xmm0
  and rax, ~4
  mov cr0, rax
  LINE "-- identification"
  xor eax, eax
  cpuid
  SHOW "vendor", rbx
  mov eax, 0x80000000
  cpuid
  shr eax, 16
  SHOW "extended", rax
  rdtsc
  mov esi, eax
  rdtsc
  sub eax, esi
  setns al
  movzx eax, al
  SHOW "tsc goes up", rax
  mov ecx, 0xc0000103
  mov eax, 0x55
  xor edx, edx
  wrmsr
  rdtscp
  SHOW "tsc_aux", rcx
  rdpid rax
  SHOW "rdpid", rax
  rdrand rax
  setc al
  movzx eax, al
  SHOW "rdrand", rax
  rdseed rax
  setc al
  movzx eax, al
  SHOW "rdseed", rax
  LINE ""
  mov ecx, 0x1000
  TRY "rdpmc", rdpmc
  LINE "-- cmpxchg16b, invpcid, caches"
  TRY "cmpxchg16b misaligned", cmpxchg16b [rdi + 8]
  mov qword [rdi], 1
  mov qword [rdi + 8], 2
  mov eax, 1
  mov edx, 2
  mov ebx, 3
  mov ecx, 4
  cmpxchg16b [rdi]
  setz al
  movzx eax, al
  SHOW "zf", rax
  mov rax, [rdi + 8]
  SHOW "high", rax
  LINE ""
  mov eax, 4
  TRY "invpcid type 4", invpcid rax, [rdi]
  wbinvd
  invd
  mov eax, 2
  mov qword [rdi], 0
  mov qword [rdi + 8], 0
  TRY "invpcid all", invpcid rax, [rdi]
  TRY "endbr64", endbr64
  TRY "prefetch", prefetcht0 [rdi]
  TRY "clflush", clflush [rdi]
  TRY "debug registers", mov rax, dr7
  LINE "-- iretq"
  mov rax, rsp
  push qword DATA32
  push rax
  pushfq
  push qword CODE64
  push qword .iret
  iretq
  SAY "not here"
.iret:
  SAY "same level"
  LINE ""
  mov rbx, 0x0000800000000000
  SAY "to a bad address"
  mov qword [abs RESUME], .bad
  mov rax, rsp
  push qword DATA32
  push rax
  pushfq
  push qword CODE64
  push rbx
  iretq
.bad:
  mov rsp, FLAT_STACK
  LINE ""
  FINISH
user:
  mov eax, cs
  SHOW "cs", rax
  LINE ""
  TRY "hlt", hlt
  TRY "rdmsr", rdmsr
  TRY "swapgs", swapgs
  TRY "mov cr8", mov rax, cr8
  TRY "wbinvd", wbinvd
  TRY "supervisor page", mov al, [0x40002000]
  mov r10, 0x1234
  syscall
  SAY " sysret"
  SHOW "rcx-", r11
  mov eax, cs
  SHOW "cs", rax
  mov eax, ss
  SHOW "ss", rax
  LINE ""
  USER_LEAVE64
syscalled:
  mov rbp, rsp
  mov rsp, FLAT_STACK - 0x3000
  mov eax, cs
  SHOW "syscall cs", rax
  mov eax, ss
  SHOW "ss", rax
  pushfq
  pop rax
  SHOW "flags", rax
  mov rsp, rbp
  o64 sysret
align 4
minus: dd -3
