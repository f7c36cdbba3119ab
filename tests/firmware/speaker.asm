; Plays 440 Hz and 880 Hz, some ticks of the BIOS's clock each, with a pause between them.
%include "boot.inc"
main:
  mov bx, 2712
  call tone
  call silence
  mov bx, 1356
  call tone
  call silence
  mov al, 42
  jmp finish
tone:
  mov al, 0xb6              ; counter 2, mode 3
  out 0x43, al
  mov al, bl
  out 0x42, al
  mov al, bh
  out 0x42, al
  in al, 0x61
  or al, 3
  out 0x61, al
  jmp wait_ticks
silence:
  in al, 0x61
  and al, 0xfc
  out 0x61, al
wait_ticks:
  mov cx, 5
.next:
  mov ax, [0x46c]
.same:
  hlt
  cmp ax, [0x46c]
  je .same
  loop .next
  ret
  SECTOR
  times 1440*1024-($-$$) db 0
