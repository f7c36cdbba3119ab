; A stack and data below code in its page; code that comes below that, and is written over.
%include "lib.inc"
%define PAGE 0x7000
%define ROUNDS 40
section low
bits 16
main16:
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  LINE "-- a stack below code"
  mov sp, PAGE + 0xc00
  mov di, sp
  call put
  call run
  LINE "-- data below it"
  mov cx, ROUNDS
  mov di, PAGE
  xor ax, ax
.data:
  push cx
  call 0:PAGE + 0xc00
  mov [di], cx
  add [di + 2], cx
  add di, 4
  pop cx
  loop .data
  mov dx, [PAGE]
  add dx, [PAGE + 4 * ROUNDS - 4]
  SHOW "called", ax
  SHOW "sum", dx
  LINE ""
  LINE "-- code lower and lower"
  mov sp, PAGE + 0xb00
  mov di, PAGE + 0xb00
.lower:
  push di
  call put
  call run
  pop di
  sub di, 0x80
  cmp di, PAGE + 0x900
  jae .lower
  LINE "-- code that a stack comes to"
  mov sp, PAGE + 0xc00
  mov di, PAGE + 0xa00
  mov cx, ROUNDS
  xor si, si
.over:
  call put
  mov [PAGE + 0xa01], cl
  xor ax, ax
  call 0:PAGE + 0xa00
  add si, ax
  mov sp, PAGE + 0xa06           ; the return address comes over its last four bytes
  call 0:PAGE + 0xa80
  mov sp, PAGE + 0xc00
  loop .over
  SHOW "over", si
  LINE ""
  xor si, si
  mov cx, ROUNDS
  mov di, PAGE + 0x900
.change:
  push cx
  call put
  mov [PAGE + 0x901], cl
  xor ax, ax
  call 0:PAGE + 0x900
  add si, ax
  pop cx
  loop .change
  SHOW "changed", si
  LINE ""
  LINE "-- code at the beginning"
  mov di, PAGE
  call put
  call run
  mov cx, ROUNDS
.first:
  mov [PAGE + 1], cl
  mov word [PAGE + 0xff0], cx
  xor ax, ax
  call 0:PAGE
  add si, ax
  loop .first
  SHOW "changed", si
  LINE ""
  FINISH
; At DI: adds 1 to AX.
put:
  cld
  push di
  mov byte [di], 0x05            ; ADD AX, 1
  mov word [di + 1], 1
  mov byte [di + 3], 0x53        ; PUSH BX; POP BX; RETF
  mov word [di + 4], 0xcb5b
  pop di
  ret
; Calls it, again and again, with a stack right below.
run:
  mov [0x600], di
  mov word [0x602], 0
  mov cx, ROUNDS
  xor ax, ax
.more:
  push ax
  pop dx
  call far [0x600]
  loop .more
  SHOW "di", di
  SHOW "ax", ax
  SHOW "dx", dx
  LINE ""
  ret
