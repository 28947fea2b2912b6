/*
 * print.c: a program as a person reads it.
 */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>

/* What the conversions of a form get: a number, or a time. */
static const struct form {
	const char *text;
	enum { NONE, OF_A, OF_TIME } what;
	unsigned modulo; /* of a */
} forms[STEP_KINDS] = {
    [SLEEP] = {"sleep %lld ns", OF_TIME, 0},
    [YIELD] = {"yield", NONE, 0},
    [YIELD_SHIELDED] = {"yield, shielded", NONE, 0},
    [LOCK] = {"acquire the lock:", NONE, 0},
    [TRY_LOCK] = {"acquire the lock if it is free:", NONE, 0},
    [PERMIT] = {"acquire a permit:", NONE, 0},
    [TOKEN] = {"acquire a token:", NONE, 0},
    [CONDITION_WAIT] = {"wait for the condition, at most %lld ns", OF_TIME, 0},
    [CONDITION_NOTIFY] = {"notify the condition, at most %lld ns", OF_TIME, 0},
    [SEND] = {"send an item, at most %lld ns", OF_TIME, 0},
    [SEND_NOWAIT] = {"send an item if there is room", NONE, 0},
    [RECEIVE] = {"receive an item, at most %lld ns", OF_TIME, 0},
    [RECEIVE_NOWAIT] = {"receive an item if there is one", NONE, 0},
    [EVENT_WAIT] = {"wait for the event, at most %lld ns", OF_TIME, 0},
    [EVENT_SET] = {"set the event if this is 0: %lld", OF_A, 4},
    [FUTURE_WAIT] = {"wait for the future, at most %lld ns", OF_TIME, 0},
    [FUTURE_SET] = {"complete the future", NONE, 0},
    [FUTURE_CANCEL] = {"cancel the future", NONE, 0},
    [SELECT] = {"select of receive, send, lock, permit, token, event, future by the bits of %lld",
		OF_A, 128},
    [SCOPE] = {"scope %lld:", OF_A, SLOTS},
    [SCOPE_CANCEL] = {"cancel scope %lld", OF_A, SLOTS},
    [SCOPE_SHIELD_OFF] = {"take the shield off scope %lld", OF_A, SLOTS},
    [SCOPE_DEADLINE] = {"set a deadline of scope %lld", OF_A, SLOTS},
    [GROUP] = {"group, scope %lld:", OF_A, SLOTS},
    [TASK] = {"task %lld:", OF_A, SLOTS},
    [TASK_CANCEL] = {"cancel task %lld", OF_A, SLOTS},
    [GATHER] = {"gather of %lld", OF_A, 4},
    [CROWD] = {"gather of 10 and %lld", OF_A, 30},
    [LIMIT] = {"set the limiter's tokens to 1 and %lld", OF_A, 3},
    [FAIL] = {"fail if this is 0: %lld", OF_A, 8},
};

static void print_step(const struct step *s, int depth)
{
	const struct form *form = &forms[s->kind];
	long long number = form->what == OF_TIME ? step_time(s)
			   : form->what == OF_A  ? (long long)(s->a % form->modulo)
						 : 0;

	printf("%*s", 2 * depth, "");
	printf(form->text, number); /* NOLINT: one of the forms above */
	if (s->kind == SCOPE && s->b % 3)
		printf(" for %lld ns", (long long)step_time(s));
	if (s->kind == SCOPE && s->b % 4 == 0)
		printf(" shielded");
	printf("\n");
}

/* Steps around others that were left out leave no mark: what is inside moves out. */
static void print_range(const struct step *s, const struct step *end, int depth)
{
	for (; s < end; s += s->size) {
		if (s->gone)
			continue;
		if (!s->hollow)
			print_step(s, depth);
		print_range(s + 1, s + s->size, depth + !s->hollow);
	}
}

void program_print(const struct program *p)
{
	printf("seed %" PRIu64 ", schedule %" PRIu64
	       ": %d steps; permits %d, tokens %d, room of the channel %d%s\n",
	       p->seed, p->schedule, program_length(p), p->permits, p->tokens, p->capacity,
	       p->fast ? ", fast locks" : "");
	print_range(p->steps, p->steps + p->count, 1);
}
