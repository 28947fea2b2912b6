/*
 * thread_state.h: what the library knows about the calling thread, and who may wait where.
 */
#ifndef IL_CORE_RUNTIME_THREAD_STATE_H
#define IL_CORE_RUNTIME_THREAD_STATE_H

#include "../base/patience.h"

/* Callbacks of futures that wait for others to return (future_callbacks.c). */
struct il__put_off {
	struct il__callback *first, **end;
	unsigned depth; /* of the runs on the stack */
};

/* What a plain call (il__plain_call) adds to no_wait. From there up the task below, if there is one, is not who calls. */
enum { IL__PLAIN_CALL = 1 << 16 };

struct il__thread {
	il_loop *loop; /* the loop whose thread this is */
	struct il__locals
	    *locals; /* outside a task: a worker call's, a portal call's, or the thread's */
	/* Outside a task: where those began for whom a plain call is made or has ended, or of the task that has just ended. */
	struct il__cancel_scope *scope;
	struct il__account *account; /* of the call that it runs as a worker; NULL: it runs none */
	unsigned no_wait; /* inside a plain call or callback that may not wait: how many */
	bool orphaned;    /* a forked child of a loop's thread */
	struct il__patience patience; /* of its waits for other threads */
	struct il__put_off put_off;
};

extern IL__THREAD_LOCAL struct il__thread il__self;

/* From now on this thread, should it end while its loop runs, is stopped with a sentence. */
void il__watch_thread_end(void);
/* -EPERM or -ESHUTDOWN, with a detail naming `function`: there is no current task. */
int il__refuse_place(const char *function);
/* Whether the caller may wait at all. 0: yes, *task is the task or NULL for a plain thread. */
int il__may_wait(const char *function, il_task **task);
/* For an object of `loop`: 0 in the loop's thread, else -EPERM (-ESHUTDOWN when inherited). */
int il__loop_check_thread(il_loop *loop, const char *function);
/* The calling thread's loop, for what never waits. 0, else -EPERM or -ESHUTDOWN. */
int il__loop_here(il_loop **loop, const char *function);

#endif
