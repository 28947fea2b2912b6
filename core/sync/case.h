/*
 * case.h: a case of a select from inside: what a file offers so that il_select can wait for its objects. The
 * file may lie on any floor above: select.c calls it through the case's operations only.
 *
 *     static const struct il__case_ops thing_case = {.check = ..., .take = ..., .enqueue = ...};
 *     il_case il_case_thing(il_thing *t) { return il__case(&thing_case, t); }
 *
 * While the case waits, whoever has what it waits for calls il__waiter_wake (the case stands in a queue by its
 * `waiter`, whose `arg` enqueue has set) or il__case_happened: that decides the select, and dequeues all its
 * cases before it returns, so nobody meets a case of a select that is decided. Where it takes a closer look
 * to know whether it happens (half a packet is none), whoever has news calls il__case_news instead: the
 * select's task then runs and calls `look`. `dequeue` may run anywhere, so nothing of the user's may be called
 * there; what must wait for the select's own task is done by `rest`. State of its own a case keeps in a struct that begins with
 * struct il__case; il__case_fits asserts that it finds room. Loop's thread only.
 */
#ifndef IL_CORE_SYNC_CASE_H
#define IL_CORE_SYNC_CASE_H

#include "../base/base.h"
#include "../runtime/task.h"
#include "../runtime/wakeup.h"
#include "home.h"

#include <interloop/select.h>

struct il__report;

/* One call of il_select, on its task's stack. */
struct il__select {
	il_task *task; /* NULL: outside of one, nothing waits */
	il_case *cases;
	size_t count;
	bool queued;       /* those that have begun to wait still do */
	il_case *happened; /* NULL: none yet */
	bool over;         /* cancelled, or late: none may happen any more */
	bool news;
	/* For futures, which other threads complete: fired once, by the first of them. */
	bool wakes;
	atomic_bool fired;
	struct il__wakeup wakeup;
};

/* Where only one may wait in each direction, as a descriptor; while a select is checked. */
struct il__place {
	struct il__place *next; /* with the same hash */
	uintptr_t at;           /* the same for all that would wait there */
	unsigned mask;
};

/* None of them waits. Only take and look touch c->rc. */
struct il__case_ops {
	/* Whether the task (NULL: outside of one, then nothing will be waited for) may wait: 0, or the code of the
	 * whole call. Changes nothing. */
	int (*check)(il_case *c, il_task *task);
	/* After check: il__select_occupy for each place where it would wait and only one may: 0, or the code of that.
	 * NULL: any number may wait. */
	int (*occupy)(il_case *c, struct il__select *s);
	/* 1: it happens now, c->rc is its code, and all is taken. 0: not now. Negative: the code of the call. */
	int (*take)(il_case *c, il_task *task);
	/* It begins to wait, after take has returned 0: 0, or the code of the call. */
	int (*enqueue)(il_case *c, il_task *task);
	/* Whether take, look and enqueue call the user's functions, which may change what other cases wait for: those
	 * before it are asked once more before they wait, and all begin to before it does. NULL: they never do. */
	bool (*calls_out)(const il_case *c);
	/* It ends to; also if it was woken, or enqueue failed. No lock is held. May be NULL. */
	void (*dequeue)(il_case *c, il_task *task);
	/* After that, in the task: undoes the rest of enqueue, also if that failed. May be NULL. */
	void (*rest)(il_case *c, il_task *task);
	/* After il__case_news of any case: as take; where it returns 0 it waits on. NULL: there is never news. */
	int (*look)(il_case *c, il_task *task);
	/* While it waits: what for, for people. */
	void (*tell)(struct il__report *r, il_case *c);
};

/* In il_case.reserved. */
struct il__case {
	const struct il__case_ops *ops;
	struct il__select
	    *select;              /* while there is a wait: NULL before enqueue; valid to dequeue */
	struct il__waiter waiter; /* valid from enqueue to dequeue */
};

#define IL__CASE_KIND 0x63617365u /* "case" */

#define il__case_fits(type)                                            \
	_Static_assert(sizeof(type) <= sizeof((il_case *)0)->reserved, \
		       "a case's reserve is too small")

/* What a case keeps while it waits is set when it begins to, so that making one does not cost its whole size. */
static inline il_case il__case(const struct il__case_ops *ops, const void *object)
{
	il_case c;

	c.object = (void *)(uintptr_t)object;
	c.item = NULL;
	c.fd = -1;
	c.rc = 0;
	c.kind = IL__CASE_KIND;
	c.mask = 0;
	c.reserved[0] = (void *)(uintptr_t)ops;
	return c;
}

/* What there is instead until the case waits: the cases of a select are a hash table of all their places. */
struct il__case_places {
	const struct il__case_ops *ops;
	struct il__place *first; /* of those whose hash is this case's index */
	struct il__place own;
};

il__case_fits(struct il__case_places);

static inline struct il__case_places *il__case_places(il_case *c)
{
	return (struct il__case_places *)(void *)c->reserved;
}

static inline struct il__case *il__case_inside(il_case *c)
{
	return (struct il__case *)(void *)c->reserved;
}

/* The opposite. */
static inline il_case *il__case_outside(struct il__case *w)
{
	return (il_case *)(void *)((char *)w - offsetof(il_case, reserved));
}

/* For enqueue: at the end of a queue of waiters, with what it has for its waker. */
void il__case_join(il_case *c, struct il__list *queue, void *for_waker);
/* dequeue for those. */
void il__case_leave(il_case *c, il_task *task);
/* For occupy: -EBUSY if another case would wait there in one of these directions. */
int il__select_occupy(struct il__select *s, struct il__place *place, uintptr_t at, unsigned mask);
/* Likewise for a case with one place, or none (NULL). */
static inline int il__case_occupy(il_case *c, struct il__select *s, const void *at, unsigned mask)
{
	return at ? il__select_occupy(s, &il__case_places(c)->own, (uintptr_t)at, mask) : 0;
}
/* Whether it is decided, by a case or without one. */
static inline bool il__select_is_over(const struct il__select *s)
{
	return s->happened || s->over;
}

/* The case happens with this code, unless it is. */
void il__case_happened(struct il__case *w, int rc);
/* There may be news of a case. */
void il__case_news(struct il__select *s);

/* Who will have what is handed to this waiter. */
static inline il_task *il__waiter_task(struct il__waiter *w)
{
	if (il__likely(w->state != IL__TASK_STAND_IN))
		return il__container_of(w, il_task, waiter);
	return il__container_of(w, struct il__case, waiter)->select->task;
}

/* check, for an object with a home. */
static inline int il__case_home(struct il__home *home, il_task *task)
{
	int rc = 0;

	if (!task)
		return il__home_check(home, "il_select");
	return il__home_task(home, "il_select", &rc) ? 0 : rc;
}

#endif
