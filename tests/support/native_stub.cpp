// Enters and leaves the code under test. Offsets are those of NativeContext, its address 30000000h.
__asm__(R"(
.text
.intel_syntax noprefix
.globl tandem_native_enter
tandem_native_enter:
  push rbx
  push rbp
  push r12
  push r13
  push r14
  push r15
  mov [0x30000088], rsp
  stmxcsr [0x300000a0]
  mov eax, [0x30000090]
  mov edx, [0x30000094]
  mov ecx, 0x30000100
  xrstor64 [rcx]
  push qword ptr [0x30000080]
  popfq
  mov rax, [0x30000000]
  mov rcx, [0x30000008]
  mov rdx, [0x30000010]
  mov rbx, [0x30000018]
  mov rsp, [0x30000020]
  mov rbp, [0x30000028]
  mov rsi, [0x30000030]
  mov rdi, [0x30000038]
  mov r8, [0x30000040]
  mov r9, [0x30000048]
  mov r10, [0x30000050]
  mov r11, [0x30000058]
  mov r12, [0x30000060]
  mov r13, [0x30000068]
  mov r14, [0x30000070]
  mov r15, [0x30000078]
  jmp qword ptr [0x300000a8]

# The code's end comes here.
.globl tandem_native_leave
tandem_native_leave:
  mov [0x30000000], rax
  mov [0x30000008], rcx
  mov [0x30000010], rdx
  mov [0x30000018], rbx
  mov [0x30000020], rsp
  mov [0x30000028], rbp
  mov [0x30000030], rsi
  mov [0x30000038], rdi
  mov [0x30000040], r8
  mov [0x30000048], r9
  mov [0x30000050], r10
  mov [0x30000058], r11
  mov [0x30000060], r12
  mov [0x30000068], r13
  mov [0x30000070], r14
  mov [0x30000078], r15
  mov esp, 0x30002000
  pushfq
  pop qword ptr [0x30000080]
  cld
  mov eax, [0x30000090]
  mov edx, [0x30000094]
  mov ecx, 0x30000100
  xsave64 [rcx]

# A signal handler comes here, with everything saved.
.globl tandem_native_recover
tandem_native_recover:
  cld
  fninit
  vzeroupper
  ldmxcsr [0x300000a0]
  mov rsp, [0x30000088]
  pop r15
  pop r14
  pop r13
  pop r12
  pop rbp
  pop rbx
  ret
.att_syntax
)");
