; Single step, breakpoints by address, RF, and the shadows of STI and MOV SS (SDM vol. 3, chapter 17; 6.8.3).
%include "flat32.inc"
%define HITS 0x600
%define STOP_AT 0x604
%define LAST_DR6 0x608
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
section flat
bits 32
%macro ARM 3                    ; register number, address, bits of DR7
  mov dword [HITS], 0
  mov eax, %2
  mov dr%1, eax
  mov eax, %3
  mov dr7, eax
%endmacro
%macro REPORT 1
  xor eax, eax
  mov dr7, eax
  SAY %1
  mov eax, [HITS]
  SHOW "hits", eax
  mov eax, [LAST_DR6]
  SHOW "dr6", eax
  mov eax, [STOP_AT]
  SHOW "at", eax
  LINE ""
  xor eax, eax
  mov dr6, eax
  mov [HITS], eax
  mov [STOP_AT], eax
  mov [LAST_DR6], eax
%endmacro
main32:
  mov eax, on_debug
  mov [IDT_AT + 8], ax
  shr eax, 16
  mov [IDT_AT + 8 + 6], ax
  LINE "-- single step"
  pushfd
  or dword [esp], 0x100
  popfd
  nop
  nop
  mov eax, 1
  pushfd
  and dword [esp], ~0x100
  popfd
  REPORT "five"
  pushfd
  or dword [esp], 0x100
  mov ax, ss
  popfd
  mov ss, ax
  nop
  pushfd
  and dword [esp], ~0x100
  popfd
  REPORT "mov ss hides one"
  mov ecx, 3
  mov edi, FREE
  pushfd
  or dword [esp], 0x100
  popfd
  rep stosb
  pushfd
  and dword [esp], ~0x100
  popfd
  REPORT "rep stosb steps"
  LINE "-- instruction breakpoints"
  ARM 0, here0, 0x2
here0:
  nop
  REPORT "dr0"
  ARM 3, here3, 0x80
  mov ecx, 3
here3:
  loop here3
  REPORT "dr3, three times"
  ARM 1, here1, 0
here1:
  nop
  REPORT "not enabled"
  LINE "-- data breakpoints"
  ARM 0, FREE, 0x000d0002
  mov eax, [FREE]
  mov [FREE + 4], eax
  REPORT "write watch, read"
  ARM 0, FREE, 0x000d0002
  mov [FREE], eax
after_write:
  nop
  REPORT "write watch, written"
  ARM 0, FREE, 0x000f0002
  mov al, [FREE + 3]
  REPORT "access watch, last byte"
  ARM 0, FREE, 0x000f0002
  mov al, [FREE + 4]
  REPORT "access watch, next byte"
  ARM 0, FREE + 2, 0x00050002
  mov [FREE], eax
  REPORT "word in a dword"
  ARM 0, 0xe9, 0x00020002
  mov al, ' '
  out 0xe9, al
  REPORT "port without de"
  LINE "-- general detect"
  mov eax, 0x2000
  mov dr7, eax
  mov eax, dr0
  REPORT "dr access"
  mov eax, cr4
  or eax, 8
  mov cr4, eax
  TRY "dr4 with de", mov eax, dr4
  mov eax, cr4
  and eax, ~8
  mov cr4, eax
  mov eax, dr4
  SHOW "dr4 is dr6", eax
  mov eax, dr5
  SHOW "dr5 is dr7", eax
  LINE ""
  FINISH

; Counts, keeps where and why, and goes on; RF so that an instruction breakpoint lets go.
on_debug:
  push eax
  inc dword [HITS]
  mov eax, [esp + 4]
  sub eax, main32
  mov [STOP_AT], eax
  mov eax, dr6
  mov [LAST_DR6], eax
  mov eax, dr7
  and eax, ~0x2000
  mov dr7, eax
  or dword [esp + 12], 0x10000
  pop eax
  iretd
