/*
 * timer.h: one heap of timers a loop, by (deadline, order of asking). Loop's thread only.
 */
#ifndef IL_CORE_RUNTIME_TIMER_H
#define IL_CORE_RUNTIME_TIMER_H

#include "../base/base.h"

struct il__timer {
	size_t index; /* 1 + its slot; 0: not armed */
	void (*fire)(struct il__timer *timer);
};

struct il__timer_entry {
	il_time deadline;
	uint32_t order; /* of asking; compared by difference, for it wraps */
	uint32_t slot;
};

/* The arrays are of the same capacity; the first `used` slots are in use or free. */
struct il__timers {
	struct il__timer_entry *heap; /* heap[1] begins a line of the cache, as do all children */
	uint32_t *places;             /* by slot: in the heap; of a free one: the next free one */
	struct il__timer **slots;     /* NULL: free, or given up when it was about to fire */
	size_t count, capacity, used;
	uint32_t free_slot; /* the first free slot, or `used` */
	uint32_t order;
	il_time expired; /* when it was last looked what is due */
	bool late;       /* and not all of it was fired */
	bool in_task;    /* a task looks whether it is late itself */
};

/* 0, or -ENOMEM: it stays as it was. */
int il__timer_arm(il_loop *loop, struct il__timer *timer, il_time deadline);
bool il__timer_has_room(const il_loop *loop);                  /* arming one more takes no memory */
void il__timer_disarm(il_loop *loop, struct il__timer *timer); /* also if not armed */
il_time il__timer_deadline(const il_loop *loop,
			   const struct il__timer *timer); /* IL_FOREVER: not armed */
il_time il__timers_next(const struct il__timers *timers);  /* IL_FOREVER: none */
/* Fires what is due by the loop's clock, but of very many only some: true, more may be due. */
bool il__timers_expire(il_loop *loop);
/* First thing when one fires that calls functions of the user's. True: not now, in the middle of a task's call; it fires
 * again in the loop's next turn. */
bool il__timer_put_off(il_loop *loop, struct il__timer *timer);
void il__timers_fini(struct il__timers *timers);

#endif
