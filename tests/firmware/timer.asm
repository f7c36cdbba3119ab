; The 8254: counter 0 interrupts 20 times a second of the RTC, and is read while it counts; counter 2 as a one-shot.
; Ends with 42, or the number of the step that failed.
%include "boot.inc"
%define RATE 59659
%define TRIES 20              ; on a busy host ticks are lost, and all is seen late
main:
  cli
  mov word [8*4], on_tick
  mov word [8*4 + 2], 0
  mov al, 0x34              ; counter 0, mode 2
  out 0x43, al
  mov al, RATE & 0xff
  out 0x40, al
  mov al, RATE >> 8
  out 0x40, al
  sti
  mov bp, TRIES
.again:
  call next_second
  mov word [ticks], 0
  call next_second
  mov ax, [ticks]
  sub ax, 19
  cmp ax, 2
  jbe .rate
  dec bp
  jnz .again
  mov bl, 1
  jmp fail
.rate:
  SAY "rate", 10
  cli
  mov al, 0x34              ; counts from 65536
  out 0x43, al
  mov al, 0
  out 0x40, al
  out 0x40, al
  in al, 0x61               ; the gate of counter 2, without the speaker
  and al, 0xfc
  or al, 1
  out 0x61, al
  mov bp, TRIES
.one_shot:
  mov al, 0xb0              ; counter 2, mode 0
  out 0x43, al
  mov al, 30000 & 0xff
  out 0x42, al
  mov al, 30000 >> 8
  out 0x42, al
  mov bl, 2
  in al, 0x61
  test al, 0x20             ; low until the count is through
  jnz .once_more
  call counter
  mov cx, ax
.wait:
  in al, 0x61
  test al, 0x20
  jz .wait
  call counter
  sub cx, ax                ; it counts down
  mov bl, 3
  cmp cx, 29000             ; it was read a little later than it was started
  jae .done
.once_more:
  dec bp
  jnz .one_shot
  jmp fail
.done:
  SAY "one-shot", 10
  mov al, 42
  jmp finish
fail:
  mov al, bl
  jmp finish
; Waits for the RTC's next second.
next_second:
  call second
  mov ah, al
.wait:
  call second
  cmp al, ah
  je .wait
  ret
second:
  mov al, 0
  out 0x70, al
  in al, 0x71
  ret
; AX: counter 0, latched.
counter:
  mov al, 0
  out 0x43, al
  in al, 0x40
  mov ah, al
  in al, 0x40
  xchg al, ah
  ret
on_tick:
  push ax
  inc word [ticks]
  mov al, 0x20
  out 0x20, al
  pop ax
  iret
ticks: dw 0
  SECTOR
  times 1440*1024-($-$$) db 0
