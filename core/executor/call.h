/*
 * call.h: one submitted call, from its making to its end.
 */
#ifndef IL_CORE_EXECUTOR_CALL_H
#define IL_CORE_EXECUTOR_CALL_H

#include "../base/list.h"
#include "../base/ticks.h"
#include "../base/trace.h"
#include "../runtime/ledger.h"
#include "caller.h"

#include <interloop/bytes.h>
#include <interloop/executor.h>

struct il__caller;
struct il__report;
struct il__locals;
struct il__pump;
struct il__process_worker;

/* By the size that was given for it, and the bytes of its struct. */
il_call_form il__form_of(size_t size);
size_t il__form_stride(size_t size);

/* What the thread that runs a call goes back to when it has ended. */
struct il__outside {
	struct il__locals *locals;
	struct il__working working;
	struct il__account *account;
};

/* Of a call in an executor of the user's own (call_user.c). */
struct il__user_call {
	void *link;
	const void *in; /* what the argument was at submit */
	size_t in_size;
	il_time deadline; /* of who waits; IL_FOREVER: none */
	bool waits;
	/* under the lock of the executor (user.h) */
	enum { IL__BEGIN_OPEN, IL__BEGUN, IL__NOT_BEGUN } begin; /* by `claim`, asked once */
	bool visited; /* the user's withdraw or kill has it: an answer waits for its return */
	bool answered;
	int rc; /* of that answer */
};

/*
 * One submitted call. `claim` decides between running and cancellation: true once, for the worker that
 * will run it. `finish` comes exactly once after that, from any thread; the call is gone then.
 */
struct il_call {
	struct il__list link; /* the thread pool's */
	il__ticks queued_at;  /* a pool's */
	il_fn *fn;
	void *arg;      /* what fn gets: the submitter's, or a copy of it */
	void *original; /* copies: where it goes back to; NULL: nowhere */
	size_t size;    /* of the struct */
	il_call_form form;
	struct il__locals *locals;
	struct il__caller *caller;                /* NULL: no task waits */
	struct il__account own_account, *account; /* who owes the result; a map's calls share one */
	/* Whose call it is: compared with this thread's only, they may be gone. */
	const struct il__executor_type *executor_type;
	void *executor_self;
	const char *thread_name;
	const struct il__call_ops *ops;
	struct il__outside outside; /* while it runs */
	union {
		struct il__user_call user; /* of an executor of the user's own */
		struct {                   /* a process pool's, under its lock */
			struct il__pump *pump;
			struct il__process_worker *worker; /* who has it */
			int dropped;                       /* it finishes so, without a worker */
			bool claimed; /* by `claim`, which is not asked again */
		};
		struct {                /* a thread pool's, under its lock */
			uint64_t place; /* in the order of its calls */
			bool own;       /* the worker that submitted it comes */
		};
	};
	bool
	    followed; /* the thread that finishes it goes on with another, then says il__inbox_send */
	/* a thread pool's: who wait for what this call holds, and which of them its worker took */
	struct il__list *waiting_calls;
	il_call *next_call;
	/* Why it failed, for il_error_detail(): set before `finish`, from then on whoever waits frees it. */
	char *detail;
	uint32_t traced; /* its number in the trace; 0: it is in none */
};

struct il__call_ops {
	bool (*claim)(il_call *call);
	void (*finish)(il_call *call, int rc);
	bool unattended; /* nobody waits: fn must run, whatever happens */
	/* The result is there. False: it does not count, so nothing is to be copied back. NULL: it does. */
	bool (*accept)(il_call *call);
	/* Whether finishing it calls functions of the user's, which may take long. NULL: it does not. */
	bool (*calls_back)(il_call *call);
};

/* The function has ended: an empty result is none, as in another process (bytes.c). */
void il__bytes_end(il_bytes *bytes);

/* Prepares a call; with copies it copies arg. 0, -EINVAL, -ENOMEM. */
int il__call_init(il_call *call, il_executor *ex, il_fn *fn, void *arg, size_t size);
/* Copies back what fn left in the copy, if it is one. */
void il__call_copy_back(il_call *call);
void il__call_fini(il_call *call); /* of one that was never submitted, or was withdrawn */
/* Who waited for it has its result. */
static inline void il__call_answered(const il_call *call)
{
	if (il__unlikely(call->traced))
		il__trace_point(call->traced, IL__TRACE_ANSWERED, IL__TRACE_HERE);
}
/* Runs it in this thread if it can be claimed, and returns what to finish it with. */
int il__call_execute(il_call *call);
int il__call_execute_claimed(il_call *call);
void il__call_finish(il_call *call, int rc);
/* Without running it, but one that nobody waits for is run in this thread. */
void il__call_fail(il_call *call, int rc);
/* A task runs in this thread, which may not end. */
bool il__call_is_in_task(void);
/* "FUNCTION in a worker thread, which has begun". */
void il__call_tell(struct il__report *r, const il_call *call, bool begun);
/* The function ended its thread instead of returning; called in that thread: finishes it with -EOWNERDEAD. */
void il__call_lost(il_call *call);
int il__call_lose(il_call *call); /* all but finishing it: with what it returns */

#endif
