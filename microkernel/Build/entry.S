# Entry point, host calls and the few symbols that the compiler's output refers to. x86-64, System V.
        .section .note.GNU-stack,"",@progbits
        .text
        .globl  _start
_start:
        xor     %ebp, %ebp
        mov     %rsp, %rdi              # argc, argv, envp as the kernel laid them out
        and     $-16, %rsp
        call    eyrie_main
        mov     %eax, %edi
        mov     $231, %eax              # exit_group
        syscall
        hlt

# nint eyrie_syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f)
        .globl  eyrie_syscall
eyrie_syscall:
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        syscall
        ret

# nint eyrie_clone(nint flags, byte* stackTop, delegate* entry, nint argument, int* clearedAtEnd): a thread on a stack of its own
        .globl  eyrie_clone
eyrie_clone:
        sub     $16, %rsi
        mov     %rdx, (%rsi)
        mov     %rcx, 8(%rsi)
        mov     %r8, %r10
        mov     $56, %eax               # clone(flags, stack, parent_tid 0, child_tid, tls 0)
        xor     %edx, %edx
        xor     %r8d, %r8d
        syscall
        test    %rax, %rax
        jz      1f
        ret
1:      xor     %ebp, %ebp
        pop     %rax
        pop     %rdi
        and     $-16, %rsp
        call    *%rax
        mov     %eax, %edi
        mov     $60, %eax               # exit
        syscall
        hlt

        .globl  eyrie_fatal
eyrie_fatal:
        mov     %rsi, %rdx
        mov     %rdi, %rsi
        mov     $2, %edi
        mov     $1, %eax
        syscall
        mov     $134, %edi
        mov     $231, %eax
        syscall
        hlt

        .globl  RhpStackProbe
RhpStackProbe:
        ret

        .globl  memcpy, memmove, memset
memmove:
memcpy:
        mov     %rdi, %rax
        mov     %rdx, %rcx
        cmp     %rsi, %rdi
        jbe     2f
        lea     (%rsi,%rcx), %r8
        cmp     %r8, %rdi
        jae     2f
        lea     -1(%rdi,%rcx), %rdi
        lea     -1(%rsi,%rcx), %rsi
        std
        rep movsb
        cld
        ret
2:      rep movsb
        ret
memset:
        mov     %rdi, %r8
        mov     %esi, %eax
        mov     %rdx, %rcx
        rep stosb
        mov     %r8, %rax
        ret

        .data
        .globl  __security_cookie
__security_cookie:
        .quad   0x2b992ddfa232d3f5
