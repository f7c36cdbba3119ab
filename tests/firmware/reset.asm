; A boot sector that resets the machine once, by the reset control register, and counts in CMOS how often it ran.
bits 16
org 0x7c00
%define COUNT 0x70          ; a byte of CMOS that firmware leaves alone
  mov al, COUNT
  out 0x70, al
  in al, 0x71
  inc al
  mov bl, al
  mov al, COUNT
  out 0x70, al
  mov al, bl
  out 0x71, al
  add al, '0'
  mov dx, 0x3f8
  out dx, al
  cmp bl, 2
  je done
  mov dx, 0xcf9
  mov al, 2
  out dx, al
  mov al, 6
  out dx, al
  jmp $
done:
  mov al, 42
  mov dx, 0x501
  out dx, al
  jmp $
  times 510-($-$$) db 0
  dw 0xaa55
  times 1440*1024-($-$$) db 0
