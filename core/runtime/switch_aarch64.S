/*
 * switch_aarch64.S: from one stack to another, AAPCS64. A context is a stack pointer; above it lie
 * x19 to x30, d8 to d15 and FPCR, which is written only when it differs. It leaves by `br`, not `ret`,
 * because the return predictor would be wrong.
 *
 * With -mbranch-protection the object is marked as the compiler's are, and keeps what that promises.
 * BTI: it leaves by `ret`, for `br` must lead to a bti, and behind a call in C there is none. PAC: the
 * return address is signed while it lies on the stack; the modifier is the stack pointer of its frame.
 */
#if __ARM_FEATURE_PAC_DEFAULT & 2
#define SIGN         .cfi_b_key_frame; hint #27 /* pacibsp */; .cfi_negate_ra_state
#define AUTHENTICATE hint #31 /* autibsp */; .cfi_negate_ra_state
#define SIGN_ENTRY   hint #10 /* pacib1716 */
#elif __ARM_FEATURE_PAC_DEFAULT
#define SIGN         hint #25 /* paciasp */; .cfi_negate_ra_state
#define AUTHENTICATE hint #29 /* autiasp */; .cfi_negate_ra_state
#define SIGN_ENTRY   hint #8 /* pacia1716 */
#else
#define SIGN
#define AUTHENTICATE
#define SIGN_ENTRY
#endif
#if __ARM_FEATURE_BTI_DEFAULT
#define LAND  hint #34 /* bti c: a linker's veneer comes by br */
#define LEAVE ret
#define MARKS (1 + 2 * !!__ARM_FEATURE_PAC_DEFAULT)
#else
#define LAND
#define LEAVE mov x16, x30; br x16
#define MARKS (2 * !!__ARM_FEATURE_PAC_DEFAULT)
#endif

	.text

/* void il__switch(void **save, void *to) */
	.globl	il__switch
	.hidden	il__switch
	.type	il__switch, %function
	.p2align 4
il__switch:
	.cfi_startproc
	LAND
	SIGN
	sub	sp, sp, #176
	.cfi_def_cfa_offset 176
	stp	x19, x20, [sp, #0]
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x20, 8
	stp	x21, x22, [sp, #16]
	.cfi_rel_offset x21, 16
	.cfi_rel_offset x22, 24
	stp	x23, x24, [sp, #32]
	.cfi_rel_offset x23, 32
	.cfi_rel_offset x24, 40
	stp	x25, x26, [sp, #48]
	.cfi_rel_offset x25, 48
	.cfi_rel_offset x26, 56
	stp	x27, x28, [sp, #64]
	.cfi_rel_offset x27, 64
	.cfi_rel_offset x28, 72
	stp	x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x10, sp
	str	x10, [x0]
	mov	sp, x1
	ldr	x11, [sp, #160]
	cmp	x9, x11
	b.eq	1f
	msr	fpcr, x11
1:	ldp	x19, x20, [sp, #0]
	ldp	x21, x22, [sp, #16]
	ldp	x23, x24, [sp, #32]
	ldp	x25, x26, [sp, #48]
	ldp	x27, x28, [sp, #64]
	ldp	x29, x30, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	add	sp, sp, #176
	.cfi_def_cfa_offset 0
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	.cfi_restore x29
	.cfi_restore x30
	AUTHENTICATE
	LEAVE
	.cfi_endproc
	.size	il__switch, .-il__switch

/* Where a new stack begins. There is no caller: a backtrace ends here. */
	.type	entry, %function
entry:
	.cfi_startproc
	.cfi_undefined x30
	.cfi_undefined x29
	hint	#34 /* bti c */
	mov	x0, x20
	blr	x19
	brk	#0
	.cfi_endproc
	.size	entry, .-entry

/* void *il__switch_prepare(char *top, void (*fn)(void *), void *arg): a context that calls fn(arg) */
	.globl	il__switch_prepare
	.hidden	il__switch_prepare
	.type	il__switch_prepare, %function
il__switch_prepare:
	.cfi_startproc
	LAND
	and	x0, x0, #-16
	sub	x0, x0, #192
	stp	x1, x2, [x0, #0]
	stp	xzr, xzr, [x0, #16]
	stp	xzr, xzr, [x0, #32]
	stp	xzr, xzr, [x0, #48]
	stp	xzr, xzr, [x0, #64]
	adr	x17, entry
	add	x16, x0, #176 /* where il__switch leaves the stack pointer */
	SIGN_ENTRY
	stp	xzr, x17, [x0, #80]
	stp	xzr, xzr, [x0, #96]
	stp	xzr, xzr, [x0, #112]
	stp	xzr, xzr, [x0, #128]
	stp	xzr, xzr, [x0, #144]
	mrs	x9, fpcr
	stp	x9, xzr, [x0, #160]
	ret
	.cfi_endproc
	.size	il__switch_prepare, .-il__switch_prepare

#if defined(__ARM_FEATURE_BTI_DEFAULT) || defined(__ARM_FEATURE_PAC_DEFAULT)
	.section .note.gnu.property, "a", %note
	.p2align 3
	.word	4, 16, 5 /* NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.word	0xc0000000, 4, MARKS, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI, PAC */
#endif

	.section .note.GNU-stack, "", %progbits
