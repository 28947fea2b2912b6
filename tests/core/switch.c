/* switch.c: a switch keeps callee-saved registers, errno and the rounding mode of each side. */
#include "../../core/base/os.h"
#include "../../core/runtime/context.h"
#include "../../core/runtime/stack.h"
#include "check.h"

#include <fenv.h>

#ifdef FE_UPWARD

#ifdef __ARM_FEATURE_BTI_DEFAULT
#include <sys/mman.h>

extern char __executable_start[], etext[];

/* As a loader does for a marked program. This one is not if the C runtime's own objects are not. */
static void guard_branches(bool guarded)
{
	size_t page = il__os_page_size();
	size_t size = ((size_t)(etext - __executable_start) + page - 1) / page * page;

	CHECK(mprotect(__executable_start, size,
		       PROT_READ | PROT_EXEC | (guarded ? 0x10 /* PROT_BTI */ : 0)) == 0);
}
#else
static void guard_branches(bool guarded)
{
	(void)guarded;
}
#endif

static struct il__context mine, other;
static double third_up, third_nearest;

static double third(void)
{
	volatile double one = 1, three = 3, result = one / three; /* x87 registers have more bits */

	return result;
}

/* As every function of this machine may take for granted. */
static bool is_aligned(void)
{
	max_align_t here;
	void *address = &here;

	__asm__ volatile("" : "+r"(address)); /* else the compiler takes it for granted, too */
	return (uintptr_t)address % _Alignof(max_align_t) == 0;
}

static void entry(void *arg)
{
	int *rounds = arg;

	il__context_entered();
	CHECK(is_aligned());
	CHECK(fesetround(FE_UPWARD) == 0);
	errno = ENOENT;
	for (;;) {
		CHECK(errno == ENOENT && fegetround() == FE_UPWARD && third() == third_up);
		++*rounds;
		il__context_switch(&other, &mine, false);
	}
}

int main(void)
{
	struct il__stacks pool;
	struct il__stack *stack;
	int rounds = 0;

	CHECK(il__stacks_init(&pool, 65536, 65536) == 0);
	stack = il__stack_get(&pool);
	CHECK(stack);
	third_nearest = third();
	CHECK(fesetround(FE_UPWARD) == 0);
	third_up = third();
	CHECK(fesetround(FE_TONEAREST) == 0);
	CHECK(third_up > third_nearest);

	errno = EIO;
	guard_branches(true);
	il__context_make(&other, il__stack_low(&pool, stack), stack->top, entry, &rounds);
	for (register int i = 1; i <= 1000; i++) {
		double kept = i * 0.5;
		il__context_switch(&mine, &other, false);
		CHECK(rounds == i && kept == i * 0.5);
		CHECK(errno == EIO && fegetround() == FE_TONEAREST && third() == third_nearest);
	}
	guard_branches(false);
	il__context_free(&other);
	il__stacks_fini(&pool);
	return 0;
}

#else

int main(void)
{
	return 0;
}

#endif
