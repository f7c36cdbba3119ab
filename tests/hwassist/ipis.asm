; Two vCPUs in real mode, with their APICs in x2APIC mode. The first one starts the second again and again by INIT and
; SIPI, and sends it NMIs and interrupts, each when it has seen what the last one did; the second one answers interrupts.
; Ends by port 501h: 1 when all came, and came once; 2 if something came twice.
bits 16
org 0

%define ROUNDS 100
%define SENDS 10              ; in each round
%define STARTS 0x600          ; words of RAM: what the second one has seen,
%define NMIS 0x602
%define IPIS 0x604
%define ANSWERS 0x606         ; and the first one
%define WORK 0x608

%define IPI 0x40
%define ANSWER 0x41
%define ICR 0x830
%define FIXED 0x4000
%define NMI 0x4400
%define INIT 0x4500
%define STARTUP 0x4600

; Where the SIPI leads: F000:0000.
second:
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x6000
  call apic_on
  lock inc word [STARTS]
  sti
.work:
  inc word [WORK]
  jmp .work

first:
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7000
  mov word [2 * 4], on_nmi
  mov word [2 * 4 + 2], cs
  mov word [IPI * 4], on_ipi
  mov word [IPI * 4 + 2], cs
  mov word [ANSWER * 4], on_answer
  mov word [ANSWER * 4 + 2], cs
  call apic_on
  xor bx, bx                  ; NMIs and IPIs sent
  xor si, si                  ; starts
.round:
  mov eax, INIT
  call send
  mov eax, STARTUP | 0xf0
  call send
  inc si
  mov di, STARTS
  mov dx, si
  call await
  mov bp, SENDS
.send:
  inc bx
  mov eax, NMI
  call send
  mov di, NMIS
  mov dx, bx
  call await
  mov eax, FIXED | IPI
  call send
.answer:
  cli
  cmp [ANSWERS], bx
  jae .answered
  sti
  hlt
  jmp .answer
.answered:
  ja twice
  cmp [IPIS], bx
  jne twice
  dec bp
  jnz .send
  cmp si, ROUNDS
  jb .round
  mov al, 1
  jmp end
twice:
  mov al, 2
end:
  mov dx, 0x501
  out dx, al
  cli
  hlt

; Until the word at DI is DX.
await:
  cmp [di], dx
  jb await
  ja twice
  ret

; EAX: the low half of the ICR; to the second one.
send:
  mov edx, 1
  mov ecx, ICR
  wrmsr
  ret

apic_on:
  mov ecx, 0x1b
  rdmsr
  or ax, 0xc00
  wrmsr
  mov ecx, 0x80f
  mov eax, 0x1ff
  xor edx, edx
  wrmsr
  ret

on_nmi:
  lock inc word [NMIS]
  iret

on_ipi:
  push eax
  push ecx
  push edx
  lock inc word [IPIS]
  call eoi
  mov ecx, ICR
  mov eax, FIXED | ANSWER
  wrmsr
  jmp back

on_answer:
  push eax
  push ecx
  push edx
  lock inc word [ANSWERS]
  call eoi
back:
  pop edx
  pop ecx
  pop eax
  iret

eoi:
  mov ecx, 0x80b
  xor eax, eax
  xor edx, edx
  wrmsr
  ret

  times 0xfff0 - ($ - $$) db 0
  jmp 0xf000:first
  times 0x10000 - ($ - $$) db 0
