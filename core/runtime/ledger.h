/*
 * ledger.h: what threads, processes and the system owe a loop. It decides whether the loop stays awake for mail,
 * whether an attached loop keeps its host alive, and whether virtual time may jump. Four verbs change it
 * (owe, paid, lend, back); nobody else writes its counts. Loop's thread only, except il__account_named.
 */
#ifndef IL_CORE_RUNTIME_LEDGER_H
#define IL_CORE_RUNTIME_LEDGER_H

#include "../base/list.h"

enum il__owed {
	IL__OWED_TASK,     /* a task's end: keeps the loop */
	IL__OWED_EVENT,    /* a descriptor's, a child's or another thread's: may come at any time */
	IL__OWED_PORTAL,   /* whatever an open portal brings: likewise; keeps the loop, and awake */
	IL__OWED_CALLBACK, /* what other libraries are called for (io/callback.h): keeps the loop */
	IL__OWED_RESULT,   /* a worker's, for which a task waits: virtual time stands, awake */
	IL__OWED_CALL      /* likewise, whether a task waits for it or not: keeps the loop */
};

/* Part of the loop. */
struct il__ledger {
	size_t lives;   /* what keeps the loop's descriptors watched */
	size_t portals; /* open ones */
	size_t events;  /* tasks that wait for one */
	size_t results; /* that workers owe now: not those who wait for the loop themselves */
	/* Only where the clock is the loop's own, and has to know the results one by one. */
	struct il__list pools;
};

/*
 * Who owes a result: a call, or the calls of one map, in a pool of so many workers. A call behind busy
 * workers owes nothing yet, for these may wait for the clock themselves: so no more of a pool's calls
 * count than it has workers that do not wait for the loop. Nobody counts the calls that are left where its end
 * is waited for: that owes one result, and none while a worker waits for the loop.
 */
struct il__account {
	const void *pool; /* compared only */
	size_t workers;   /* 0: any number, and they never wait for the loop */
	size_t calls;     /* how many it is for, at most; 0: for the end of the pool */
	size_t name;      /* of no other account; 0: it has none yet */
	bool in_loop;     /* the loop itself ends them: it is owed nothing */
	bool gives_up;    /* lent: the worker may go on though the loop's task does not wake it */
	/* Of the call whose thread waits for this one, or runs it: that one waits as this one does, and is there meanwhile. The
	 * worker's. */
	struct il__account *outer;
};

/* A copy of the account, with the name that it gets when it is first asked for it, but without `outer`. Any thread. */
struct il__account il__account_named(struct il__account *account);

void il__ledger_init(struct il__ledger *ledger);
void il__ledger_fini(struct il__ledger *ledger);

/* The first life, which may be refused, and the last one. */
int il__ledger_begin(struct il__ledger *ledger);
void il__ledger_end(struct il__ledger *ledger);

static inline int il__ledger_keep(struct il__ledger *ledger)
{
	return il__likely(ledger->lives++ > 0) ? 0 : il__ledger_begin(ledger);
}

static inline void il__ledger_let_go(struct il__ledger *ledger)
{
	if (il__unlikely(--ledger->lives == 0))
		il__ledger_end(ledger);
}

static inline bool il__owed_keeps(enum il__owed what)
{
	return what == IL__OWED_TASK || what == IL__OWED_PORTAL || what == IL__OWED_CALLBACK ||
	       what == IL__OWED_CALL;
}

/* Only what keeps the loop may be refused, and only if nothing else keeps it; a task's calls cannot be. */
static inline int il__owe(struct il__ledger *ledger, enum il__owed what)
{
	int rc = il__owed_keeps(what) ? il__ledger_keep(ledger) : 0;

	if (rc < 0)
		return rc;
	if (what == IL__OWED_EVENT)
		ledger->events++;
	else if (what == IL__OWED_PORTAL)
		ledger->portals++;
	else if (what == IL__OWED_RESULT || what == IL__OWED_CALL)
		ledger->results++;
	return 0;
}

static inline void il__paid(struct il__ledger *ledger, enum il__owed what)
{
	if (what == IL__OWED_EVENT)
		ledger->events--;
	else if (what == IL__OWED_PORTAL)
		ledger->portals--;
	else if (what == IL__OWED_RESULT || what == IL__OWED_CALL)
		ledger->results--;
	if (il__owed_keeps(what))
		il__ledger_let_go(ledger);
}

/* IL__OWED_RESULT, by account: so many calls are waited for. Two tasks may wait for one call: it owes once. */
void il__owe_calls(il_loop *loop, struct il__account *account, size_t calls);
void il__paid_calls(il_loop *loop, struct il__account *account, size_t calls);
/* Whether the books tell all that can end a wait for these calls. NULL: they do not. */
bool il__is_in_books(const il_loop *loop, const struct il__account *account);
/* A worker that runs a call of this account waits for a task of the loop: meanwhile it owes nothing, nor do the outer ones. If it
 * may give up, the loop is not asleep forever all the same. */
void il__lend(il_loop *loop, const struct il__account *account);
void il__back(il_loop *loop, const struct il__account *account);

/* Another thread may be about to send something. */
static inline bool il__ledger_expects_mail(const struct il__ledger *ledger)
{
	return (ledger->results | ledger->portals) != 0;
}

/* Whether anything may come from outside, so that tasks that all wait are not asleep forever. */
static inline bool il__ledger_is_open(const struct il__ledger *ledger)
{
	return il__ledger_expects_mail(ledger) || ledger->events > 0;
}

#endif
