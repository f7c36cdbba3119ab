; A boot sector: prints by INT 10h and to the first serial port, reads a sector by INT 13h, writes and verifies another,
; and ends by the exit port 501h with the number of the step that failed, or 42.
bits 16
org 0x7c00
  jmp 0:start
start:
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  mov [drive], dl
  cld
  mov si, banner
  call print
  mov bl, 1                 ; read: cylinder 1, head 1, sector 2 = sector 55
  mov ax, 0x0201
  mov cx, 0x0102
  mov dh, 1
  call disk
  mov bl, 2
  cmp dword [0x8000], 0x6b63696d
  jne fail
  mov di, 0x8000            ; write it to cylinder 79, head 1, sector 18
  mov dword [di], 0x746f7267
  mov bl, 3
  mov ax, 0x0301
  mov cx, 0x4f12
  mov dh, 1
  call disk
  mov bl, 4                 ; verify
  mov ax, 0x0401
  call disk
  mov bl, 5                 ; a sector that no track has
  mov ax, 0x0201
  mov cx, 0x0020
  mov dl, [drive]
  push bx
  mov bx, 0x8000
  int 0x13
  pop bx
  jnc fail
  mov si, done
  call print
  mov bl, 42
fail:
  mov al, bl
  mov dx, 0x501
  out dx, al
  hlt
disk:
  push bx
  push ax
  push cx
  push dx
  mov dl, [drive]
  mov bx, 0x8000
  int 0x13
  pop dx
  pop cx
  pop ax
  pop bx
  jc fail
  ret
print:
  lodsb
  or al, al
  jz .end
  mov ah, 0x0e
  mov bx, 7
  int 0x10
  mov dx, 0x3f8
  out dx, al
  jmp print
.end:
  ret
drive: db 0
banner: db "Tandem boots from a floppy", 13, 10, 0
done: db "floppy is done", 13, 10, 0
  times 510-($-$$) db 0
  dw 0xaa55
  times 55*512-($-$$) db 0
  db "mick"
  times 1440*1024-($-$$) db 0
