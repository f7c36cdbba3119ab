; System management mode: SMI by the APM port, the state it saves, RSM, relocation (SDM vol. 3, chapter 31; PIIX4).
%include "flat32.inc"
%define HANDLER 0x38000
%define NOTES 0x700
section low
bits 16
main16:
  mov ebx, main32
  jmp enter_flat32
; Copied to SMBASE + 8000h. Real-mode addressing; segment limits are 4 GiB.
smi_handler:
  mov ax, cs
  mov [dword NOTES], ax
  mov eax, cr0
  mov [dword NOTES + 4], eax
  mov eax, [dword 0x30000 + 0xfefc]     ; revision
  mov [dword NOTES + 8], eax
  inc dword [dword NOTES + 12]
  pushfd
  pop eax
  mov [dword NOTES + 16], eax
  mov eax, 0x12121212                   ; restored by RSM
  rsm
smi_end:
section flat
bits 32
main32:
  ; the stack of the handler is what SP was: keep it low
  mov esp, 0x7000
  mov esi, smi_handler + ROM
  mov edi, HANDLER
  mov ecx, smi_end - smi_handler
  rep movsb
  mov dword [NOTES + 12], 0
  ; APMC_EN in DEVACTB of the PIIX4's function 3
  mov dx, 0xcf8
  mov eax, 0x80000b58
  out dx, eax
  mov dx, 0xcfc
  in eax, dx
  or eax, 1 << 25
  out dx, eax
  TRY "rsm outside", rsm
  LINE "-- smi"
  mov eax, 0x55
  mov ebx, 0x66
  stc
  out 0xb2, al
  nop
  nop
  setc cl
  movzx ecx, cl
  SHOW "eax", eax
  SHOW "ebx", ebx
  SHOW "cf", ecx
  mov eax, [NOTES + 12]
  SHOW "count", eax
  movzx eax, word [NOTES]
  SHOW "cs", eax
  mov eax, [NOTES + 4]
  and eax, 0x80000009
  SHOW "cr0", eax
  mov eax, [NOTES + 16]
  and eax, 0x300
  SHOW "flags", eax
  LINE ""
  in al, 0xb2
  movzx eax, al
  SHOW "apm", eax
  LINE ""
  LINE "-- and again"
  out 0xb2, al
  nop
  nop
  mov eax, [NOTES + 12]
  SHOW "count", eax
  mov eax, cs
  SHOW "cs", eax
  LINE ""
  FINISH
