; A boot sector that sets a mode, draws what that mode can show, and ends by port 501h. -DPICTURE=name chooses.
bits 16
org 0x7c00
  jmp 0:start
start:
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7c00
  cld
  mov ax, 0x0207            ; the rest of this program
  mov bx, 0x7e00
  mov cx, 2
  mov dh, 0
  int 0x13
  jmp PICTURE
  times 510-($-$$) db 0
  dw 0xaa55

%macro SET 3                ; port, index, value
  mov dx, %1
  mov ax, (%3) << 8 | (%2)
  out dx, ax
%endmacro
%define SEQ 0x3c4
%define GFX 0x3ce
%define CRTC 0x3d4

end:
  mov al, 42
  mov dx, 0x501
  out dx, al
.forever:
  cli
  hlt
  jmp .forever

set_mode:                   ; AX
  int 0x10
  ret

; Every character in every colour, without the cursor and without blinking.
text80:
  mov ax, 3
  call set_mode
  jmp text
text40:
  mov ax, 1
  call set_mode
text:
  mov ax, 0x1003
  mov bl, 0
  int 0x10
  mov ah, 1
  mov cx, 0x2000
  int 0x10
  mov ax, 0xb800
  mov es, ax
  xor di, di
  xor ax, ax
.next:
  mov [es:di], ax
  add ax, 0x0b01
  add di, 2
  cmp di, 4000
  jb .next
  jmp end

; 256 colours by chain 4.
mode13:
  mov ax, 0x13
  call set_mode
  mov ax, 0xa000
  mov es, ax
  xor di, di
  xor bx, bx
.row:
  xor cx, cx
.dot:
  mov al, cl
  xor al, bl
  add al, ch
  stosb
  inc cx
  cmp cx, 320
  jb .dot
  inc bx
  cmp bx, 200
  jb .row
  jmp end

; 320x240, unchained, scrolled by the start address, split by line compare.
modex:
  mov ax, 0x13
  call set_mode
  SET SEQ, 4, 0x06
  mov dx, 0x3c2
  mov al, 0xe3
  out dx, al
  SET CRTC, 0x11, 0x2c
  mov si, .registers
.register:
  lodsw
  cmp ax, -1
  je .draw
  mov dx, CRTC
  out dx, ax
  jmp .register
.registers: dw 0x0d06, 0x3e07, 0x4109, 0xea10, 0xac11, 0xdf12, 0x0014, 0xe715, 0x0616, 0xe317, -1
.draw:
  mov ax, 0xa000
  mov es, ax
  mov bp, 0x0102            ; planes, one by one
.plane:
  mov dx, SEQ
  mov ax, bp
  out dx, ax
  xor di, di
  xor bx, bx
.row:
  mov cx, 80
.dot:
  mov al, cl
  add al, bl
  xor al, byte [.plane_now]
  stosb
  loop .dot
  inc bx
  cmp bx, 260
  jb .row
  add byte [.plane_now], 0x40
  shl bp, 8
  shl byte [.mask], 1
  mov ah, [.mask]
  mov al, 2
  mov bp, ax
  cmp ah, 16
  jb .plane
  SET CRTC, 0x0c, 0x03      ; start at row 12, behind some more
  SET CRTC, 0x0d, 0xc5
  SET CRTC, 0x18, 0x8f      ; split at line 399 of 480
  SET CRTC, 0x07, 0x3e
  SET CRTC, 0x09, 0x01
  jmp end
.mask: db 1
.plane_now: db 0

; 16 colours: set/reset, logical operations, bit mask, write modes 2 and 3, latches.
mode12:
  mov ax, 0x12
  jmp planar
mode0d:
  mov ax, 0x0d
planar:
  call set_mode
  mov ax, 0xa000
  mov es, ax
  SET SEQ, 2, 0x0f
  xor di, di                ; write mode 2: colours
  SET GFX, 5, 2
  mov cx, 6000
.colors:
  mov ax, di
  shr ax, 2
  stosb
  loop .colors
  SET GFX, 5, 0             ; set/reset, XOR
  SET GFX, 0, 0x05
  SET GFX, 1, 0x07
  SET GFX, 3, 0x18
  SET GFX, 8, 0x3c
  mov di, 1000
  mov cx, 3000
.mixed:
  mov al, [es:di]
  mov ax, di
  stosb
  loop .mixed
  SET GFX, 1, 0
  SET GFX, 3, 0x0b          ; rotate by 3, AND
  SET GFX, 8, 0xff
  mov di, 3000
  mov cx, 1000
.rotated:
  mov al, [es:di]
  mov ax, di
  stosb
  loop .rotated
  SET GFX, 3, 0x10          ; OR
  mov cx, 500
.or:
  mov al, [es:di]
  mov al, 0x11
  stosb
  loop .or
  SET GFX, 3, 0
  SET GFX, 5, 3             ; write mode 3
  SET GFX, 0, 0x0e
  SET GFX, 8, 0x7e
  mov di, 500
  mov cx, 400
.three:
  mov al, [es:di]
  mov al, 0xdb
  stosb
  loop .three
  SET GFX, 8, 0xff          ; write mode 1: copies
  SET GFX, 5, 1
  mov si, 200
  mov di, 6500
  mov cx, 1300
.copied:
  mov al, [es:si]
  inc si
  stosb
  loop .copied
  SET GFX, 5, 8             ; read mode 1: where colour 5 is, becomes a byte of all planes
  SET GFX, 2, 5
  SET GFX, 7, 0x0f
  mov si, 2000
  mov cx, 300
.compared:
  mov al, [es:si]
  mov [es:si+5800], al
  inc si
  loop .compared
  SET GFX, 5, 0
  jmp end

; CGA: four colours, and two, with their lines interleaved.
mode04:
  mov ax, 4
  jmp cga
mode06:
  mov ax, 6
cga:
  call set_mode
  mov ax, 0xb800
  mov es, ax
  xor di, di
.next:
  mov ax, di
  shr ax, 3
  xor ax, di
  stosb
  cmp di, 0x4000
  jb .next
  jmp end

%macro VESA 2
  mov ax, 0x4f02
  mov bx, %1
  int 0x10
  mov bp, %2
  jmp banked
%endmacro
; VBE modes by the window of 64 KiB, every fourth bank.
vbe8:
  VESA 0x101, 4
vbe15:
  VESA 0x110, 9
vbe16:
  VESA 0x117, 24
vbe24:
  VESA 0x115, 21
vbe32:
  VESA 0x118, 48
banked:                     ; BP banks
  mov ax, 0xa000
  mov es, ax
  xor bx, bx
.bank:
  mov dx, 0x1ce
  mov ax, 5
  out dx, ax
  inc dx
  mov ax, bx
  out dx, ax
  xor di, di
.word:
  mov ax, di
  shr ax, 1
  xor ax, di
  add ah, bl
  stosw
  or di, di
  jnz .word
  inc bx
  cmp bx, bp
  jb .bank
  jmp end

  times 1440*1024-($-$$) db 0
