/*
 * user.h: an executor of the user's own: what it is, who waits for room in it, and its calls, by who may touch what.
 *
 *   user.c            its life: the user's `destroy` is called once no other function of the user's runs   any thread
 *   call_user.c       its calls: given to the user, begun, answered, withdrawn, killed                     any thread
 *   executor_room.c   calls that wait until it has room                                                    any thread
 *   executor_user.c   its side towards the core                                                            any thread
 *
 * No lock is held while a function of the user's runs.
 */
#ifndef IL_CORE_EXECUTOR_USER_H
#define IL_CORE_EXECUTOR_USER_H

#include "../base/list.h"
#include "executor.h"

#include <interloop/executor.h>

struct il__user {
	il_executor_ops ops;
	void *self;
	il_executor *executor; /* its memory goes with this */
	/* the executor's, one of each call without an answer, one of each visit: a thread that is in the user's
	 * `withdraw` or `kill`, or in il_executor_room */
	atomic_uint refs;
	_Atomic uint64_t
	    submitted; /* relaxed: added before a call is known, so never less than the others */
	_Atomic(void *) spare; /* memory for a call that may be left behind; executor_run.c */
	pthread_mutex_t lock;
	/* under lock */
	struct il__call_counts counts; /* but `submitted` */
	size_t running;                /* calls that have begun, without an answer */
	bool shut;
	unsigned visits; /* of threads in a function of the user's that needs self */
	bool released;   /* the executor is gone: the last visit destroys self */
	/* under lock: executor_room.c */
	struct il__list room_waiters;
	bool offering; /* a thread gives them to the user, one at a time */
	unsigned told; /* how often the user has said that there is room */
	char name[];
};

void il__user_unref(struct il__user *user);
/* Under the lock, and not: between them self is not destroyed. */
void il__user_enter(struct il__user *user);
void il__user_leave(struct il__user *user);
/* The executor's end. */
void il__user_release(struct il__user *user);

/* Gives it to the user. Negative: refused, the call is the caller's again. */
int il__user_offer(struct il__user *user, il_call *call, bool waits);
/* Whether `withdraw` or `kill` may be called now, and if so one of them must be. The caller makes sure that
 * the call is there still, and may hold locks of its own. */
bool il__user_visit(void *self, il_call *call);
bool il__user_withdraw(void *self, il_call *call);
void il__user_kill(void *self, il_call *call);

/* Waits for room if there is none. 0; 1: likewise, but the calling task was cancelled meanwhile; negative: refused,
 * -ETIMEDOUT, -ECANCELED. */
int il__room_submit(struct il__user *user, il_call *call, il_time deadline);
/* Without a wait: -EAGAIN also where others wait. */
int il__room_submit_now(struct il__user *user, il_call *call);
/* It is shut: nobody waits any more. */
void il__room_shut(struct il__user *user);

#endif
