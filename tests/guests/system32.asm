; System instructions that the other guests leave out: tables, LDT, machine status word, SYSENTER, strings of ports, MONITOR.
%include "flat32.inc"
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
section flat
bits 32
%define LDT_AT 0x14000
main32:
  LINE "-- tables"
  sgdt [FREE]
  movzx eax, word [FREE]
  SHOW "gdt limit", eax
  mov eax, [FREE + 2]
  SHOW "base", eax
  sidt [FREE]
  movzx eax, word [FREE]
  SHOW "idt limit", eax
  mov eax, [FREE + 2]
  SHOW "base", eax
  LINE ""
  LINE "-- ldt"
  sldt eax
  SHOW "none", eax
  mov dword [GDT_RAM + 0x40], (LDT_AT & 0xffff) << 16 | 0x0f
  mov dword [GDT_RAM + 0x44], 0x00008200 | LDT_AT >> 16
  mov dword [LDT_AT + 8], (FREE & 0xffff) << 16 | 0xffff
  mov dword [LDT_AT + 12], 0x00409300 | FREE >> 16
  mov ax, 0x40
  lldt ax
  sldt eax
  SHOW "loaded", eax
  mov ax, 0x0c
  mov fs, ax
  mov dword [FREE + 0x20], 0xcafe
  mov eax, [fs:0x20]
  SHOW "fs:20", eax
  LINE ""
  mov ax, 0x14
  TRY "beyond its limit", mov fs, ax
  mov ax, 0x10
  TRY "lldt of data", lldt ax
  xor eax, eax
  lldt ax
  mov ax, 0x0c
  TRY "without ldt", mov fs, ax
  LINE "-- machine status word"
  smsw eax
  and eax, 0xf
  SHOW "smsw", eax
  mov ax, 0xa
  lmsw ax
  mov eax, cr0
  and eax, 0xf
  SHOW "ts on, pe stays", eax
  clts
  LINE ""
  LINE "-- strings of ports"
  mov edi, FREE
  mov dx, 0x80
  mov al, 0x11
  out dx, al
  insw
  insd
  sub edi, FREE
  SHOW "edi", edi
  mov esi, text
  mov dx, 0xe9
  outsb
  mov dx, 0x80
  outsw
  outsd
  sub esi, text
  SHOW "esi", esi
  LINE ""
  LINE "-- sysenter"
  xor ecx, ecx
  mov ecx, 0x174
  xor edx, edx
  xor eax, eax
  wrmsr
  TRY "cs is null", sysenter
  mov eax, CODE32
  wrmsr
  mov ecx, 0x175
  mov eax, FLAT_STACK - 0x3000
  wrmsr
  mov ecx, 0x176
  mov eax, entered
  wrmsr
  ENTER_USER user
  LINE "-- monitor, endbr"
  mov eax, FREE
  xor ecx, ecx
  xor edx, edx
  TRY "endbr32", endbr32
  mov eax, 1
  cpuid
  test ecx, 8
  jz .no_monitor
  mov eax, FREE
  xor ecx, ecx
  xor edx, edx
  monitor
.no_monitor:
  LINE "-- umip"
  mov eax, 7
  xor ecx, ecx
  cpuid
  test ecx, 4
  jz .no_umip
  mov eax, cr4
  or eax, 0x800
  mov cr4, eax
  ENTER_USER umip_user
  mov eax, cr4
  and eax, ~0x800
  mov cr4, eax
.no_umip:
  LINE "-- compacted state"
  mov eax, cr4
  or eax, 0x40600
  mov cr4, eax
  xor ecx, ecx
  xor edx, edx
  mov eax, 7
  xsetbv
  mov edi, FREE + 0x1000
  mov ecx, 0x200
  xor eax, eax
  push edi
  rep stosd
  pop edi
  mov eax, 0x13572468
  vmovd xmm2, eax
  vinsertf128 ymm2, ymm2, xmm2, 1
  mov eax, 7
  xor edx, edx
  xsavec [edi]
  mov eax, [edi + 512]
  SHOW "xstate_bv", eax
  mov eax, [edi + 520]
  SHOW "xcomp_bv", eax
  mov eax, [edi + 524]
  SHOW "high", eax
  mov eax, [edi + 576 + 32]
  SHOW "ymm2 high", eax
  vzeroall
  mov eax, 7
  xrstors [edi]
  vextractf128 xmm3, ymm2, 1
  vmovd eax, xmm3
  SHOW "restored", eax
  mov eax, 7
  xsaves [edi + 0x400]
  mov eax, [edi + 0x400 + 524]
  SHOW "xsaves", eax
  LINE ""
  mov dword [edi + 524], 0
  mov eax, 7
  TRY "xrstors of the standard form", xrstors [edi]
  FINISH
align 4
text: db " abcdefg"
user:
  mov edx, .left
  mov ecx, FLAT_STACK - 0x2000
  sysenter
.left:
  SAY " sysexit"
  mov eax, cs
  SHOW "cs", eax
  mov eax, ss
  SHOW "ss", eax
  LINE ""
  TRY "sysexit in ring 3", sysexit
  USER_LEAVE
entered:
  push ecx
  push edx
  mov eax, cs
  SHOW "cs", eax
  mov eax, ss
  SHOW "ss", eax
  mov eax, esp
  SHOW "esp", eax
  pop edx
  pop ecx
  sysexit
umip_user:
  TRY "sgdt", sgdt [FREE]
  TRY "smsw", smsw eax
  TRY "str", str eax
  USER_LEAVE
