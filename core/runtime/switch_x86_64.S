/*
 * switch_x86_64.S: from one stack to another, System V ABI. A context is a stack pointer; above it lie
 * the FP control words, the callee-saved registers and the address to go on at. The control words are
 * loaded only when their control bits differ: the status bits of mxcsr change all the time. It leaves
 * by an indirect jump, because a mispredicted `ret` costs several times more.
 *
 * The marks at the end promise that this object may be part of a process with indirect branch tracking
 * or shadow stacks. IBT: the jump is `notrack`, as the compiler's own for a `switch`, for behind a call in
 * C there is no endbr64; il__switch and il__switch_prepare are only called by name. SHSTK: the switch does
 * not switch shadow stacks, so context.c refuses a thread that has one: a loop cannot be opened there.
 */
	.text

/* void il__switch(void **save, void *to) */
	.globl	il__switch
	.hidden	il__switch
	.type	il__switch, @function
	.p2align 4
il__switch:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	xorl	(%rsp), %eax
	testl	$0xffc0, %eax
	jnz	3f
1:	cmpw	4(%rsp), %cx
	jne	4f
2:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	popq	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	notrack jmp *%rcx
3:	.cfi_adjust_cfa_offset 64
	.cfi_rel_offset %rip, 56
	ldmxcsr	(%rsp)
	jmp	1b
4:	fldcw	4(%rsp)
	jmp	2b
	.cfi_endproc
	.size	il__switch, .-il__switch

/* Where a new stack begins. There is no caller: a backtrace ends here. */
	.type	entry, @function
entry:
	.cfi_startproc
	.cfi_undefined %rip
	.cfi_undefined %rbp
	endbr64
	movq	%r13, %rdi
	call	*%r12
	ud2
	.cfi_endproc
	.size	entry, .-entry

/* void *il__switch_prepare(char *top, void (*fn)(void *), void *arg): a context that calls fn(arg) */
	.globl	il__switch_prepare
	.hidden	il__switch_prepare
	.type	il__switch_prepare, @function
il__switch_prepare:
	.cfi_startproc
	andq	$-16, %rdi
	leaq	-80(%rdi), %rax
	stmxcsr	(%rax)
	fnstcw	4(%rax)
	movq	$0, 8(%rax)
	movq	$0, 16(%rax)
	movq	%rdx, 24(%rax)
	movq	%rsi, 32(%rax)
	movq	$0, 40(%rax)
	movq	$0, 48(%rax)
	leaq	entry(%rip), %rcx
	movq	%rcx, 56(%rax)
	movq	$0, 64(%rax)
	ret
	.cfi_endproc
	.size	il__switch_prepare, .-il__switch_prepare

	.section .note.gnu.property, "a", @note
	.p2align 3
	.long	4, 16, 5 /* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0 /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, SHSTK */

	.section .note.GNU-stack, "", @progbits
