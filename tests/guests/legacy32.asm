; Instructions that 64-bit mode does not have, and others that move stacks, segments and flags about (SDM vol. 2).
%include "flat32.inc"

section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32

section flat
bits 32
main32:
  LINE "-- decimal"
%macro ADJUST 5                 ; name, instruction, AX, flags, mask
  SAY %1
  mov eax, %3
  push dword %4 | 2
  popfd
  %2
  pushfd
  pop ecx
  and ecx, %5
  SHOW "ax", eax
  SHOW "fl", ecx
  LINE ""
%endmacro
%define CFAF 0x11
%define SZP_CA 0xd5
  ADJUST "aaa 0f", aaa, 0x000f, 0, CFAF
  ADJUST "aaa 05", aaa, 0x0105, 0, CFAF
  ADJUST "aaa 05 af", aaa, 0x0105, 0x10, CFAF
  ADJUST "aaa fa", aaa, 0x01fa, 0, CFAF
  ADJUST "aas 0f", aas, 0x000f, 0, CFAF
  ADJUST "aas 05", aas, 0x0105, 0, CFAF
  ADJUST "aas 05 af", aas, 0x0005, 0x10, CFAF
  ADJUST "daa 9a", daa, 0x9a, 0, SZP_CA
  ADJUST "daa 0f", daa, 0x0f, 0, SZP_CA
  ADJUST "daa 45 cf", daa, 0x45, 1, SZP_CA
  ADJUST "daa fa af", daa, 0xfa, 0x10, SZP_CA
  ADJUST "das 9a", das, 0x9a, 0, SZP_CA
  ADJUST "das 05 af", das, 0x05, 0x10, SZP_CA
  ADJUST "das 45 cf", das, 0x45, 1, SZP_CA
  ADJUST "aam 63", aam, 0x63, 0, 0xc4
  ADJUST "aam 16, 7f", {aam 16}, 0x7f, 0, 0xc4
  ADJUST "aad 0603", aad, 0x0603, 0, 0xc4
  ADJUST "aad 16, 0f0f", {aad 16}, 0x0f0f, 0, 0xc4
  ADJUST "salc cf", salc, 0x1234, 1, 1
  ADJUST "salc", salc, 0x1234, 0, 1
  TRY "aam 0", aam 0

  LINE "-- pusha, popa"
  mov eax, 0x11111111
  mov ecx, 0x22222222
  mov edx, 0x33333333
  mov ebx, 0x44444444
  mov ebp, 0x55555555
  mov esi, 0x66666666
  mov edi, 0x77777777
  pushad
  mov eax, [esp + 12]
  sub eax, esp
  SHOW "esp", eax
  xor eax, eax
  xor ebx, ebx
  xor edi, edi
  popad
  SHOW "eax", eax
  SHOW "ebx", ebx
  SHOW "edi", edi
  pusha
  mov eax, [esp]
  SHOW "di,si", eax
  mov eax, esp
  sub eax, FLAT_STACK
  SHOW "esp", eax
  popa
  SHOW "eax", eax
  LINE ""

  LINE "-- enter, leave"
  mov ebp, FLAT_STACK
  mov dword [FLAT_STACK - 4], 0xaaaa0001
  mov dword [FLAT_STACK - 8], 0xaaaa0002
  mov esp, FLAT_STACK - 0x100
  enter 0x20, 0
  mov eax, ebp
  SHOW "ebp", eax
  mov eax, esp
  SHOW "esp", eax
  leave
  mov eax, esp
  SHOW "esp", eax
  mov ebp, FLAT_STACK
  enter 8, 3
  mov eax, [ebp - 4]
  SHOW "l1", eax
  mov eax, [ebp - 8]
  SHOW "l2", eax
  mov eax, [ebp - 12]
  SHOW "l3", eax
  mov eax, esp
  SHOW "esp", eax
  mov esp, FLAT_STACK
  LINE ""

  LINE "-- bound, into, int"
  mov eax, 5
  TRY "inside", bound eax, [bounds]
  mov eax, 10
  TRY "at the end", bound eax, [bounds]
  mov eax, 11
  TRY "above", bound eax, [bounds]
  mov eax, -1
  TRY "below", bound eax, [bounds]
  mov al, 1
  or al, al
  TRY "into without of", into
  mov al, 0x7f
  SAY "into with of"
  mov dword [RESUME], .into
  add al, 1
  into
.into:
  LINE ""
  TRY "int3", int3
  TRY "int 3", db 0xcd, 3
  TRY "int1", db 0xf1

  LINE "-- far pointers"
  lds esi, [pointer]
  mov eax, ds
  SHOW "ds", eax
  SHOW "esi", esi
  mov eax, DATA32
  mov ds, ax
  les esi, [pointer]
  mov eax, es
  SHOW "es", eax
  lfs esi, [pointer]
  mov eax, fs
  SHOW "fs", eax
  lgs si, [pointer16]
  mov eax, gs
  SHOW "gs", eax
  SHOW "esi", esi
  lss esp, [stack_pointer]
  mov eax, esp
  SHOW "esp", eax
  LINE ""
  TRY "lds register", db 0xc5, 0xc0
  TRY "les bad selector", les esi, [bad_pointer]

  LINE "-- segment registers"
  push ds
  pop eax
  SHOW "push", eax
  push word 0x10
  push word 0x10
  pop es
  mov eax, es
  SHOW "pop", eax
  pop ax
  mov eax, 0xffffffff
  mov ax, es
  SHOW "mov16", eax
  mov eax, 0xffffffff
  mov eax, es
  SHOW "mov32", eax
  LINE ""
  mov esp, FLAT_STACK

  LINE "-- branches"
  mov ecx, 0x10000
  jcxz .cx
  SAY "not taken"
.cx:
  SAY " jcxz"
  jecxz .never
  mov ecx, 3
  xor eax, eax
.loop:
  inc eax
  loop .loop
  SHOW "loop", eax
  mov ecx, 5
  xor eax, eax
.loopne:
  inc eax
  cmp eax, 3
  loopne .loopne
  SHOW "loopne", eax
  SHOW "ecx", ecx
.never:
  mov eax, called
  call eax
  call [target]
  mov eax, .jumped
  jmp eax
  SAY "not here"
.jumped:
  push dword 0x12345678
  call ret8
  mov eax, esp
  sub eax, FLAT_STACK
  SHOW "esp", eax
  LINE ""

  LINE "-- flags"
  push dword 0x00244ed7
  popfd
  pushfd
  pop eax
  SHOW "popfd", eax
  push dword 2
  popfd
  push word 0x0ed5
  popfw
  pushfw
  pop ax
  and eax, 0xffff
  SHOW "popf", eax
  push dword 2
  popfd
  stc
  cmc
  lahf
  and eax, 0xff00
  SHOW "lahf", eax
  mov ah, 0xd7
  sahf
  pushfd
  pop eax
  SHOW "sahf", eax
  push dword 2
  popfd
  LINE ""

  LINE "-- ports"
  mov dx, 0x80
  mov al, 0x5a
  out dx, al
  in al, dx
  movzx eax, al
  SHOW "80", eax
  mov edi, FREE
  mov ecx, 3
  rep insb
  mov eax, [FREE]
  and eax, 0xffffff
  SHOW "insb", eax
  sub edi, FREE
  SHOW "edi", edi
  mov esi, text
  mov ecx, text_end - text
  mov dx, 0xe9
  rep outsb
  sub esi, text
  SHOW "outsb", esi
  LINE ""

  LINE "-- address sizes"
  mov ebx, 0x12340000 | (FREE >> 4)
  mov dword [0x1234], 0xcafe
  mov ebx, 0xffff1000
  mov esi, 0xffff0234
  mov eax, [bx + si]
  SHOW "bx+si", eax
  lea eax, [bx + si - 0x2000]
  SHOW "lea16", eax
  lea ax, [ebx + esi]
  SHOW "lea", eax
  mov bx, 8
  mov al, 3
  mov byte [FREE + 3], 0x77
  mov ebx, FREE
  xlatb
  movzx eax, al
  SHOW "xlat", eax
  LINE ""
  FINISH

called:
  SAY " called"
  ret
ret8:
  mov eax, [esp + 4]
  SHOW "arg", eax
  ret 4
align 4
target: dd called
bounds: dd 0, 10
pointer: dd 0x11223344
  dw DATA32
pointer16: dw 0x5566, DATA32
stack_pointer: dd FLAT_STACK
  dw DATA32
bad_pointer: dd 0
  dw 0x1000
text: db " out"
text_end:
