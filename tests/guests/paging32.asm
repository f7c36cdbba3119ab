; 32-bit paging: accessed and dirty bits, protection, large pages, global pages, error codes (SDM vol. 3, 4.3, 4.7).
%include "flat32.inc"
%define DIR 0x30000
%define TAB 0x31000             ; maps 40000000h..
%define PAGE0 0x34000

section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32

section flat
bits 32
%macro ENTRY 2                  ; address of the table entry, value
  mov dword [%1], %2
%endmacro
%macro LOOK 2                   ; text, address of an entry
  mov eax, [%2]
  SHOW %1, eax
%endmacro
main32:
  ; identity: 4 MiB page for the low memory, as user; entry 100h: table
  ENTRY DIR, 0x87
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  ENTRY DIR + 0x100*4, TAB | 7
  ENTRY TAB + 0*4, PAGE0 | 7
  ENTRY TAB + 1*4, (PAGE0 + 0x1000) | 5
  ENTRY TAB + 2*4, (PAGE0 + 0x2000) | 3
  ENTRY TAB + 3*4, (PAGE0 + 0x3000) | 6
  ENTRY DIR + 0x101*4, (TAB + 0x1000) | 5
  ENTRY TAB + 0x1000, PAGE0 | 7
  mov eax, DIR
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  LINE "-- accessed and dirty"
  LOOK "pde", DIR + 0x400
  LOOK "pte", TAB
  mov eax, [0x40000000]
  LINE ""
  SAY "read:"
  LOOK "pde", DIR + 0x400
  LOOK "pte", TAB
  LINE ""
  mov dword [0x40000004], 0x1234
  SAY "write:"
  LOOK "pde", DIR + 0x400
  LOOK "pte", TAB
  mov eax, [PAGE0 + 4]
  SHOW "data", eax
  LOOK "large", DIR
  LINE ""
  LINE "-- supervisor"
  TRY "read ro", mov eax, [0x40001000]
  TRY "write ro, wp=0", mov [0x40001000], eax
  mov eax, cr0
  or eax, 0x10000
  mov cr0, eax
  TRY "write ro, wp=1", mov [0x40001000], eax
  TRY "not present read", mov eax, [0x40003000]
  TRY "not present write", mov [0x40003004], eax
  TRY "no table", mov eax, [0x50000000]
  TRY "pde read-only", mov [0x40400000], eax
  TRY "crossing", mov eax, [0x40002ffe]
  TRY "write crossing", mov [0x40002ffe], eax
  SAY "nothing was written:"
  mov eax, [PAGE0 + 0x2ffc]
  SHOW "", eax
  LINE ""
  TRY "push to not present", db 0xff, 0x35, 0, 0x30, 0, 0x40
  TRY "fetch", jmp 0x40003000
  LINE "-- user"
  ENTER_USER user
  LINE "-- tlb"
  mov eax, [0x40000004]
  SHOW "before", eax
  mov dword [PAGE0 + 0x1004], 0x5678
  ENTRY TAB, (PAGE0 + 0x1000) | 7
  invlpg [0x40000000]
  mov eax, [0x40000004]
  SHOW "invlpg", eax
  ENTRY TAB, PAGE0 | 7
  mov eax, cr3
  mov cr3, eax
  mov eax, [0x40000004]
  SHOW "cr3", eax
  LINE ""
  LINE "-- reserved bits"
  ENTRY DIR + 0x102*4, 0x00200087       ; large page, reserved bit 21
  TRY "pde reserved bit", mov eax, [0x40800000]
  LINE "-- large page"
  ENTRY DIR + 0x103*4, 0x00000083
  mov eax, [0x40c00000 + PAGE0 + 4]
  SHOW "large", eax
  LINE ""
  FINISH
user:
  TRY "read", mov eax, [0x40000000]
  TRY "write ro", mov [0x40001000], eax
  TRY "read supervisor", mov eax, [0x40002000]
  TRY "write supervisor", mov [0x40002000], eax
  TRY "not present", mov eax, [0x40003000]
  TRY "fetch supervisor", jmp 0x40002000
  TRY "invlpg", invlpg [0x40000000]
  USER_LEAVE
