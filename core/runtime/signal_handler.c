/*
 * signal_handler.c: who handles a signal. A place per level and signal says whose it is. The handler may run
 * in any thread and enters only the place, by atomics, and what its owner gave. Places are taken and left
 * under one lock.
 *
 * A signal goes to the owner or to what was there before, whoever comes first: the end puts that back, waits
 * for handlers that had begun, and only then gives up the place; a handler that begins later finds
 * nobody, and hands the signal on itself.
 *
 * The receiver's level lies above the loop's: while both are taken the system has the receiver's handler, and
 * the loop's is what the receiver will put back.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "signal_handler.h"
#include "../base/fork.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#if ATOMIC_LONG_LOCK_FREE != 2 || ATOMIC_INT_LOCK_FREE != 2 || ATOMIC_POINTER_LOCK_FREE != 2
#error "a signal handler needs atomics that take no lock"
#endif

/* All of it in the one order of seq_cst: `handling` and `use` each say to the other who came first. */
struct place {
	atomic_int owner;                     /* the process, not its children; 0: nobody */
	_Atomic(struct il__signal_use *) use; /* NULL: nobody receives any more */
	atomic_int handling;                  /* handlers that have begun */
	atomic_bool calls_on;                 /* `previous`, which does not change then */
	atomic_bool spent;                    /* it was to be called once, and that was it */
	atomic_bool handed_on;                /* see hand_on */
	struct sigaction previous;            /* the owner's; read by handlers that find none */

	/* under lock */
	bool installed;      /* `previous` is what will be put back */
	bool once, may_call; /* of the owner's use */
	bool blocked;        /* in that thread, before */
	pthread_t thread;
};

static struct place places[IL__SIGNAL_LEVELS][NSIG];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

typedef void handler_fn(int number, siginfo_t *info, void *context);
static handler_fn on_loops, on_receivers;
static handler_fn *const handlers[] = {on_loops, on_receivers};

/* ---- dispositions ---- */

static bool signal_is_ours(enum il__signal_level level, const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handlers[level];
}

/* Whatever its flags: a reset leaves them. */
static bool is_default(const struct sigaction *action)
{
	return action->sa_handler == SIG_DFL;
}

static bool is_function(const struct sigaction *action)
{
	return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

/* ---- the handler: any thread, at any moment ---- */

/* As the system would call it. It may never return, and is called when its place is left alone. */
static void signal_call(const struct sigaction *action, int number, siginfo_t *info, void *context)
{
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(number, info, context);
	else
		action->sa_handler(number);
}

/* Whether the handler that was there before is to be called now. */
static bool is_heard(struct place *p)
{
	return atomic_load(&p->calls_on) &&
	       (!(p->previous.sa_flags & (int)SA_RESETHAND) || !atomic_exchange(&p->spent, true));
}

/* Somebody has put our handler back, out of order: nobody would see this signal. Where a handler is reset
 * when it is called only once: what was there before may be one of ours too, put back likewise. */
static void hand_on(struct place *p, enum il__signal_level level, int number)
{
	struct sigaction now;

	if (sigaction(number, NULL, &now) == 0 &&
	    (signal_is_ours(level, &now) ||
	     (is_default(&now) && !atomic_exchange(&p->handed_on, true))))
		sigaction(number, &p->previous, NULL);
	raise(number);
}

static void signal_handle(enum il__signal_level level, int number, siginfo_t *info, void *context)
{
	struct place *p = &places[level][number];
	struct sigaction previous;
	struct il__signal_use *use;
	bool heard = false;
	int saved = errno;

	atomic_fetch_add(&p->handling, 1);
	use = atomic_load(&p->use);
	if (use && atomic_load(&p->owner) == getpid()) {
		heard = is_heard(p);
		if (heard)
			previous = p->previous;
		use->arrived(use, number, heard);
	} else {
		hand_on(p, level, number);
	}
	atomic_fetch_sub(&p->handling, 1);
	if (heard)
		signal_call(&previous, number, info, context);
	errno = saved;
}

static void on_loops(int number, siginfo_t *info, void *context)
{
	signal_handle(IL__SIGNAL_LOOP, number, info, context);
}

static void on_receivers(int number, siginfo_t *info, void *context)
{
	signal_handle(IL__SIGNAL_RECEIVER, number, info, context);
}

/* What begins later sees what was stored before. */
static void wait_for_handlers(struct place *p)
{
	while (atomic_load(&p->handling) > 0)
		sched_yield();
}

/* ---- levels: under the lock, or in a fork child ---- */

/* The place above whose owner will put back what this level says. */
static struct place *cover_of(enum il__signal_level level, int number)
{
	struct place *above = &places[IL__SIGNAL_RECEIVER][number];

	return level == IL__SIGNAL_LOOP && above->installed ? above : NULL;
}

/* Whoever is called on finds what he asked for: his mask, and what his flags say. Stops of children come for
 * nobody then if he wants none: one that is pending would swallow the end that he waits for. */
static struct sigaction make_action(enum il__signal_level level, int number)
{
	const struct place *p = &places[level][number];
	const struct sigaction *previous = &p->previous;
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = handlers[level];
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_RESTART | (p->once ? (int)SA_RESETHAND : SA_ONSTACK);
	if (atomic_load(&p->calls_on)) {
		action.sa_mask = previous->sa_mask;
		action.sa_flags =
		    previous->sa_flags & (SA_RESTART | SA_ONSTACK | SA_NODEFER | SA_NOCLDSTOP);
	}
	/* The system reaps for whoever asked it to, also while we hear of it. */
	if (number == SIGCHLD &&
	    (previous->sa_handler == SIG_IGN || (previous->sa_flags & SA_NOCLDWAIT)))
		action.sa_flags |= SA_NOCLDWAIT;
	action.sa_flags |= SA_SIGINFO;
	return action;
}

/* No handler reads it meanwhile. */
static void set_previous(enum il__signal_level level, int number, const struct sigaction *previous)
{
	struct place *p = &places[level][number];

	atomic_store(&p->calls_on, false);
	wait_for_handlers(p);
	p->previous = *previous;
	atomic_store(&p->spent, false);
	atomic_store(&p->calls_on, p->may_call && is_function(previous) &&
				       !signal_is_ours(IL__SIGNAL_LOOP, previous));
}

static int signal_get(enum il__signal_level level, int number, struct sigaction *now)
{
	const struct place *cover = cover_of(level, number);

	if (!cover)
		return sigaction(number, NULL, now) < 0 ? -errno : 0;
	*now = cover->previous;
	return 0;
}

static int signal_set(enum il__signal_level level, int number, const struct sigaction *action)
{
	struct sigaction now, above;

	if (!cover_of(level, number))
		return sigaction(number, action, NULL) < 0 ? -errno : 0;
	set_previous(IL__SIGNAL_RECEIVER, number, action);
	above = make_action(IL__SIGNAL_RECEIVER, number);
	if (sigaction(number, NULL, &now) == 0 && signal_is_ours(IL__SIGNAL_RECEIVER, &now))
		sigaction(number, &above, NULL);
	return 0;
}

/* ---- begin and end ---- */

static int signal_install(enum il__signal_level level, int number)
{
	struct place *p = &places[level][number];
	struct sigaction before, action;
	int rc = signal_get(level, number, &before);

	if (rc < 0)
		return rc;
	if (signal_is_ours(level, &before)) /* somebody may have put it back, out of order */
		before = p->previous;
	set_previous(level, number, &before);
	action = make_action(level, number);
	rc = signal_set(level, number, &action);
	p->installed = rc == 0;
	return rc;
}

static void signal_put_back(enum il__signal_level level, int number)
{
	struct place *p = &places[level][number];
	struct sigaction now, previous = p->previous;

	if (!p->installed)
		return;
	p->installed = false;
	if (atomic_load(&p->spent))
		previous.sa_handler = SIG_DFL;
	if (signal_get(level, number, &now) == 0 &&
	    (signal_is_ours(level, &now) || (p->once && is_default(&now))))
		signal_set(level, number, &previous);
}

static void signal_unblock(struct place *p, int number)
{
	sigset_t one, before;

	sigemptyset(&one);
	sigaddset(&one, number);
	p->blocked =
	    pthread_sigmask(SIG_UNBLOCK, &one, &before) == 0 && sigismember(&before, number);
	p->thread = pthread_self();
}

static void block_again(struct place *p, int number)
{
	sigset_t one;

	if (!p->blocked || !pthread_equal(p->thread, pthread_self()))
		return;
	p->blocked = false;
	sigemptyset(&one);
	sigaddset(&one, number);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
}

static void signal_leave(struct place *p)
{
	atomic_store(&p->use, NULL);
	wait_for_handlers(p);
	atomic_store(&p->owner, 0);
}

int il__signal_begin(enum il__signal_level level, int number, struct il__signal_use *use)
{
	struct place *p = &places[level][number];
	int rc = -EBUSY;

	pthread_mutex_lock(&lock);
	if (!atomic_load(&p->owner)) {
		p->once = use->once;
		p->blocked = false;
		p->may_call = use->calls_on;
		atomic_store(&p->handed_on, false);
		atomic_store(&p->owner, getpid());
		atomic_store(&p->use, use);
		wait_for_handlers(p); /* one that found nobody may be about to hand on */
		rc = signal_install(level, number);
		if (rc < 0)
			signal_leave(p);
		else if (level == IL__SIGNAL_RECEIVER && !use->keeps_mask)
			signal_unblock(p, number);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void il__signal_end(enum il__signal_level level, int number)
{
	struct place *p = &places[level][number];

	pthread_mutex_lock(&lock);
	block_again(p, number); /* first: what was there before may be the default */
	signal_put_back(level, number);
	signal_leave(p);
	pthread_mutex_unlock(&lock);
}

bool il__signal_is_held(enum il__signal_level level, int number)
{
	struct sigaction now;
	bool yes;

	pthread_mutex_lock(&lock);
	yes = signal_get(level, number, &now) == 0 && signal_is_ours(level, &now);
	pthread_mutex_unlock(&lock);
	return yes;
}

void il__signal_raise(int number)
{
	sigset_t blocked;

	if (pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, number))
		kill(getpid(), number);
	else
		raise(number);
}

bool il__signal_is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
}

bool il__signal_is_default(int number)
{
	struct sigaction now;
	bool yes;

	pthread_mutex_lock(&lock);
	yes = signal_get(IL__SIGNAL_LOOP, number, &now) == 0 && is_default(&now);
	pthread_mutex_unlock(&lock);
	return yes;
}

/* ---- fork: owners, and handlers that had begun, stayed with the parent ---- */

static void empty_places(void)
{
	for (int level = IL__SIGNAL_RECEIVER; level >= IL__SIGNAL_LOOP; level--) {
		for (int number = 1; number < NSIG; number++) {
			struct place *p = &places[level][number];
			atomic_store(&p->handling, 0);
			if (!atomic_load(&p->owner))
				continue;
			block_again(p, number);
			signal_put_back((enum il__signal_level)level, number);
			signal_leave(p);
		}
	}
}

IL__AT_FORK(&lock, empty_places);
