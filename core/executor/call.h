/*
 * call.h: one submitted call, from its making to its answer.
 */
#ifndef IL_CORE_EXECUTOR_CALL_H
#define IL_CORE_EXECUTOR_CALL_H

#include "../base/list.h"
#include "../runtime/ledger.h"
#include "caller.h"

#include <interloop/bytes.h>
#include <interloop/executor.h>

struct il__caller;
struct il__locals;
struct il__pump;
struct il__process_worker;

/* What the argument is. Where it goes to another process: */
/* [form] */
enum il__form {
	IL__FLAT,  /* the struct goes there, and comes back as the function left it */
	IL__BYTES, /* il_bytes: `in` goes there, `out` comes back */
	IL__SHARED /* il_shared: the memory is in both, args go there and come back */
};
/* [form] */

/* By the size that was given for it, and the bytes of its struct. */
enum il__form il__form_of(size_t size);
size_t il__form_stride(size_t size);

/* What the thread that runs a call goes back to when it has ended. */
struct il__outside {
	struct il__locals *locals;
	struct il__working working;
};

/*
 * One submitted call. `claim` decides between running and cancellation: true once, for the worker that
 * will run it. `answer` comes exactly once after that, from any thread; the call is gone then.
 */
struct il_call {
	struct il__list link; /* the thread pool's */
	void *user_link;
	il_fn *fn;
	void *arg;      /* what fn gets: the submitter's, or a copy of it */
	void *original; /* copies: where it goes back to; NULL: nowhere */
	size_t size;    /* of the struct */
	enum il__form form;
	struct il__locals *locals;
	struct il__caller *caller;                /* NULL: no task waits */
	struct il__account own_account, *account; /* who owes the answer; a map's calls share one */
	/* Whose call it is: compared with this thread's only, they may be gone. */
	const struct il__executor_type *executor_type;
	void *executor_self;
	const char *thread_name;
	const struct il__call_ops *ops;
	struct il__outside outside; /* while it runs */
	/* a process pool's, under its lock */
	struct il__pump *pump;
	struct il__process_worker *worker; /* who has it */
	int dropped;                       /* it will be answered so, without a worker */
	bool claimed;                      /* by `claim`, which is not asked again */
	/* a thread pool's: who wait for what this call holds, and which of them its worker took */
	struct il__list *waiting_calls;
	il_call *next_call;
	/* Why it failed, for il_error_detail(): set before `answer`, from then on whoever waits frees it. */
	char *detail;
};

struct il__call_ops {
	bool (*claim)(il_call *call);
	void (*answer)(il_call *call, int rc);
	bool unattended; /* nobody waits: fn must run, whatever happens */
	/* The result is there. False: it does not count, so nothing is to be copied back. NULL: it does. */
	bool (*accept)(il_call *call);
};

/* The function has ended: an empty result is none, as in another process (bytes.c). */
void il__bytes_end(il_bytes *bytes);

/* Prepares a call; with copies it copies arg. 0, -EINVAL, -ENOMEM. */
int il__call_init(il_call *call, il_executor *ex, il_fn *fn, void *arg, size_t size);
/* Copies back what fn left in the copy, if it is one. */
void il__call_copy_back(il_call *call);
void il__call_fini(il_call *call); /* of one that was never submitted, or was withdrawn */
/* Runs it in this thread if it can be claimed, and gives what to answer. */
int il__call_execute(il_call *call);
void il__call_finish(il_call *call, int rc);
/* The function ended its thread instead of returning; called in that thread: finishes it with -EOWNERDEAD. */
void il__call_lost(il_call *call);

#endif
