/*
 * program.h: a random program: tasks that use one world of locks, channels, scopes and the like. It is data, a tree of
 * steps in one array, so that it can be printed, and made smaller while it still fails. All chance is in making it: a
 * program and the seed of the loop's schedule give the same run each time.
 */
#ifndef SCHEDULES_PROGRAM_H
#define SCHEDULES_PROGRAM_H

#include <interloop.h>

#include <stdbool.h>
#include <stdint.h>

enum step_kind {
	SLEEP,
	YIELD,
	YIELD_SHIELDED,
	LOCK, /* as long as the steps inside last; so are the next three */
	TRY_LOCK,
	PERMIT,
	TOKEN,
	CONDITION_WAIT,
	CONDITION_NOTIFY,
	SEND,
	SEND_NOWAIT,
	RECEIVE,
	RECEIVE_NOWAIT,
	EVENT_WAIT,
	EVENT_SET,
	FUTURE_WAIT,
	FUTURE_SET,
	FUTURE_CANCEL,
	SELECT,
	SCOPE,
	SCOPE_CANCEL,
	SCOPE_SHIELD_OFF,
	SCOPE_DEADLINE,
	GROUP, /* its TASKs run beside its other steps */
	TASK,
	TASK_CANCEL,
	GATHER,
	CROWD, /* many tasks that sleep for different times */
	LIMIT,
	FAIL,
	STEP_KINDS
};

/* What `a`, `b` and `time` mean depends on the kind; see `forms` in print.c. */
struct step {
	uint8_t kind, a, b, time;
	uint16_t size; /* of it and the steps inside, which follow it */
	bool gone;     /* left out, with what is inside */
	bool hollow;   /* left out, without what is inside */
};

enum { STEPS_MAX = 160, SLOTS = 8 };

struct program {
	uint64_t seed;     /* it was made of */
	uint64_t schedule; /* seed of the loop */
	uint8_t permits, tokens, capacity;
	bool fast; /* locks and semaphores with IL_FAST_ACQUIRE */
	int count;
	struct step steps[STEPS_MAX];
};

struct program program_make(uint64_t seed);

/* How long a step's time is; always finite. */
il_time step_time(const struct step *s);

/* The steps that are left. */
int program_length(const struct program *p);

void program_print(const struct program *p);

/* Smaller, by trying: fails() says whether a program still fails, and may choose another schedule. */
void program_shrink(struct program *p, bool (*fails)(struct program *p));

/* Runs it to its end, or ends the process with `broken`. */
void program_run(struct program *p);

#endif
