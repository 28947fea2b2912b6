/*
 * stop_signals.c: SIGTERM and SIGINT, for the servers that end by them: one handler for the process, from the
 * first such server to the last. It writes one of two wake descriptors, which nobody drains, so that every
 * server sees both signals by copies of its own, on whatever loop. What no server has seen is raised again
 * at the end. Any thread; the lock guards `servers`, and beginning and ending.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "stop_signals.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/os.h"
#include "../runtime/signal_handler.h"

#include <interloop/fd.h>

#include <unistd.h>

enum { SIGNALS = 2, STEPS = 2 };
static const int numbers[SIGNALS] = {SIGTERM, SIGINT};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t servers;
static int wake[STEPS][2]; /* do not change while there is a handler */
static struct il__signal_use uses[SIGNALS];
static atomic_uint arrived;          /* how many */
static atomic_bool unheard[SIGNALS]; /* it came, and no handler that was there before was called */
static atomic_bool heeded;           /* by a server */

/* How many servers this thread has here, and which of the signals it blocked before the first one. */
static _Thread_local struct {
	unsigned servers;
	bool blocked[SIGNALS];
} here;

/* The handler: any thread, at any moment. */
static void on_stop_signal(struct il__signal_use *use, int number, bool heard)
{
	(void)number;
	if (!heard)
		atomic_store(&unheard[use - uses], true);
	il__os_wake_write(wake[atomic_fetch_add(&arrived, 1) ? 1 : 0][1]);
}

/* ---- this thread's mask: one thread at least can take the signals ---- */

static void stop_set_both(sigset_t *set)
{
	sigemptyset(set);
	for (int i = 0; i < SIGNALS; i++)
		sigaddset(set, numbers[i]);
}

static void stop_unblock(void)
{
	sigset_t both, before;

	if (here.servers++)
		return;
	stop_set_both(&both);
	pthread_sigmask(SIG_UNBLOCK, &both, &before);
	for (int i = 0; i < SIGNALS; i++)
		here.blocked[i] = sigismember(&before, numbers[i]) == 1;
}

static void stop_block_again(void)
{
	sigset_t were;

	if (--here.servers)
		return;
	sigemptyset(&were);
	for (int i = 0; i < SIGNALS; i++)
		if (here.blocked[i])
			sigaddset(&were, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &were, NULL);
}

/* ---- the process's part: under the lock ---- */

static void stop_close(void)
{
	for (int i = 0; i < STEPS; i++)
		il__os_wake_close(wake[i]);
}

static int stop_open(void)
{
	int rc = il__os_wake_open(wake[0]);

	if (rc < 0)
		return rc;
	rc = il__os_wake_open(wake[1]);
	if (rc < 0)
		il__os_wake_close(wake[0]);
	return rc;
}

static int stop_begin(void)
{
	int rc = stop_open(), begun = 0;

	if (rc < 0)
		return rc;
	atomic_store(&arrived, 0);
	atomic_store(&heeded, false);
	for (; rc == 0 && begun < SIGNALS; begun += rc == 0) {
		uses[begun] = (struct il__signal_use){
		    .arrived = on_stop_signal, .calls_on = true, .keeps_mask = true};
		atomic_store(&unheard[begun], false);
		rc = il__signal_begin(IL__SIGNAL_RECEIVER, numbers[begun], &uses[begun]);
	}
	if (rc == 0)
		return 0;
	while (begun-- > 0)
		il__signal_end(IL__SIGNAL_RECEIVER, numbers[begun]);
	stop_close();
	return rc;
}

static void stop_end(void)
{
	for (int i = 0; i < SIGNALS; i++)
		il__signal_end(IL__SIGNAL_RECEIVER, numbers[i]);
	stop_close();
}

/* Not under the lock: what was there before may do anything. */
static void stop_raise_unseen(void)
{
	for (int i = 0; i < SIGNALS; i++)
		if (atomic_exchange(&unheard[i], false) && !atomic_load(&heeded))
			il__signal_raise(numbers[i]);
}

static int stop_copy(struct il__stop_signals *s)
{
	s->first = il__os_dup(wake[0][0]);
	s->second = s->first < 0 ? s->first : il__os_dup(wake[1][0]);
	if (s->second >= 0)
		return 0;
	if (s->first >= 0)
		close(s->first);
	return s->second;
}

/* ---- a server's part ---- */

static int stop_refuse(int rc)
{
	return rc == -EBUSY
		   ? il__refuse(rc, "il_server_serve: stop_at_signals: SIGTERM or SIGINT "
				    "has a receiver (il_signal_receiver_open); close it")
		   : il__refuse(rc, "il_server_serve: stop_at_signals: %s", il__system_words(rc));
}

int il__stop_signals_join(struct il__stop_signals *s)
{
	struct il__stop_signals own = IL__STOP_SIGNALS_NONE;
	bool alone;
	int rc;

	pthread_mutex_lock(&lock);
	alone = servers == 0;
	rc = alone ? stop_begin() : 0;
	if (rc == 0) {
		rc = stop_copy(&own);
		if (rc == 0)
			servers++;
		else if (alone)
			stop_end();
	}
	pthread_mutex_unlock(&lock);
	if (rc == 0) {
		stop_unblock(); /* last: one may have come, and be waiting for that */
		*s = own;
		return 0;
	}
	if (alone)
		stop_raise_unseen();
	return stop_refuse(rc);
}

void il__stop_signals_heed(void)
{
	atomic_store(&heeded, true);
}

void il__stop_signals_leave(struct il__stop_signals *s)
{
	bool last;

	if (s->first < 0)
		return;
	il_notify_closing(s->first);
	il_notify_closing(s->second);
	il__stop_signals_drop(s);
	stop_block_again(); /* first: what was there before may be the default */
	pthread_mutex_lock(&lock);
	last = --servers == 0;
	if (last)
		stop_end();
	pthread_mutex_unlock(&lock);
	if (last)
		stop_raise_unseen();
}

void il__stop_signals_drop(struct il__stop_signals *s)
{
	if (s->first < 0)
		return;
	close(s->first);
	close(s->second);
	*s = IL__STOP_SIGNALS_NONE;
}

/* ---- fork: the servers, and what they hold, stayed with the parent ---- */

/* Under this lock the handlers' is taken: so it is not held at a fork, and nobody here has it now. */
static void stop_forget(void)
{
	if (servers)
		stop_close();
	servers = 0;
	here.servers = 0;
	pthread_mutex_init(&lock, NULL);
}

IL__AT_FORK(NULL, stop_forget);
