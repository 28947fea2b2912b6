/* backtrace.c: a backtrace from inside a context ends cleanly at its entry. */
#include "../../core/runtime/loop.h"
#include "check.h"

#include <unwind.h>

/* Arm's own unwinder knows a frame by its registers only, and any end of a stack is a failure. */
#ifdef __ARM_EABI__
#define frame_address(frame) _Unwind_GetGR(frame, 13)
#define END                  _URC_FAILURE
#else
#define frame_address(frame) _Unwind_GetCFA(frame)
#define END                  _URC_END_OF_STACK
#endif

enum { DEPTH = 5, TOO_MANY = 100 };

static struct il__context mine, other;

struct trace {
	uintptr_t low, high; /* of the stack that every frame must lie on */
	int frames;
};

static _Unwind_Reason_Code count(struct _Unwind_Context *frame, void *arg)
{
	struct trace *t = arg;
	uintptr_t address = (uintptr_t)frame_address(frame);

	CHECK(address >= t->low && address <= t->high);
	return ++t->frames < TOO_MANY ? _URC_NO_REASON : END; /* which stops it, too */
}

__attribute__((noinline)) static int descend(struct trace *t, int depth)
{
	if (depth)
		return descend(t, depth - 1) + 1;
	CHECK(_Unwind_Backtrace(count, t) == END);
	return 0;
}

static void entry(void *arg)
{
	il__context_entered();
	CHECK(descend(arg, DEPTH) == DEPTH);
	il__context_switch(&other, &mine, false);
}

int main(void)
{
	struct il__stacks pool;
	struct il__stack *stack;
	struct trace t = {.frames = 0};

	CHECK(il__stacks_init(&pool, 65536, 65536) == 0);
	stack = il__stack_get(&pool);
	CHECK(stack);
	t.high = (uintptr_t)stack->top;
	t.low = t.high - 65536;
	il__context_make(&other, il__stack_low(&pool, stack), stack->top, entry, &t);
	il__context_switch(&mine, &other, false);
	CHECK(t.frames >= 2 && t.frames < TOO_MANY);
	il__context_free(&other);
	il__stacks_fini(&pool);
	return 0;
}
