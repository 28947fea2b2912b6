/*
 * ledger.c: what threads, processes and the system owe a loop, in one place. Invariant: `results` is the sum
 * of what each pool counts for, and of the results without an account. Loop's thread only.
 */
#include "ledger.h"
#include "../base/base.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "loop.h"

/* ---- by kind ---- */

void il__ledger_init(struct il__ledger *ledger)
{
	il__list_init(&ledger->pools);
}

int il__ledger_begin(struct il__ledger *ledger)
{
	int rc = il__loop_update_watch(il__container_of(ledger, il_loop, ledger));

	if (rc < 0)
		ledger->lives--;
	return rc;
}

void il__ledger_end(struct il__ledger *ledger)
{
	il__loop_kick(il__container_of(ledger, il_loop, ledger));
}

/* ---- by account: only where the clock is the loop's own ---- */

/* The accounts of one pool that this loop knows of; lives while there are any. */
struct pool {
	struct il__list link; /* ledger->pools */
	const void *pool;
	size_t workers;
	size_t owing; /* calls that are waited for and do not wait for the loop themselves */
	size_t busy;  /* workers that wait for the loop */
	size_t ends;  /* waits for its end */
	struct il__list entries;
};

/* Lives while one of its counts is above 0. */
struct entry {
	struct il__list link;
	size_t name, calls;
	size_t claims; /* waits for these calls */
	size_t lent;   /* waits of their workers for the loop */
};

struct il__account il__account_named(struct il__account *account)
{
	static atomic_size_t names;
	size_t name = __atomic_load_n(&account->name, __ATOMIC_RELAXED);

	/* Whoever comes second takes the first one's; a name orders nothing. */
	if (!name) {
		size_t mine = atomic_fetch_add_explicit(&names, 1, memory_order_relaxed) + 1;
		if (__atomic_compare_exchange_n(&account->name, &name, mine, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			name = mine;
	}
	return (struct il__account){.pool = account->pool,
				    .workers = account->workers,
				    .calls = account->calls,
				    .name = name};
}

static size_t ledger_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What the pool counts for among the results. */
static size_t ledger_weight(const struct pool *p)
{
	size_t owing = p->owing;

	if (p->workers)
		owing = ledger_min(owing, p->workers - ledger_min(p->workers, p->busy));
	return owing ? owing : p->ends && !p->busy;
}

static void ledger_weigh(struct pool *p, const struct entry *e, size_t one)
{
	size_t claimed = ledger_min(e->claims, e->calls);

	p->owing += one * (claimed - ledger_min(claimed, e->lent));
	p->busy += one * (e->calls ? ledger_min(e->lent, e->calls) : e->lent);
	p->ends += e->calls ? 0 : one * e->claims;
}

static struct pool *find_pool(struct il__ledger *ledger, const void *pool)
{
	il__list_each (node, &ledger->pools) {
		struct pool *p = il__container_of(node, struct pool, link);
		if (p->pool == pool)
			return p;
	}
	return NULL;
}

static struct entry *find_entry(const struct pool *p, size_t name)
{
	for (struct il__list *node = p->entries.next; node != &p->entries; node = node->next) {
		struct entry *e = il__container_of(node, struct entry, link);
		if (e->name == name)
			return e;
	}
	return NULL;
}

static struct pool *add_pool(struct il__ledger *ledger, const struct il__account *account)
{
	struct pool *p = il__malloc(sizeof *p);

	if (!p)
		return NULL;
	*p = (struct pool){.pool = account->pool, .workers = account->workers};
	il__list_init(&p->entries);
	il__list_push(&ledger->pools, &p->link);
	return p;
}

static struct entry *add_entry(struct pool *p, const struct il__account *account)
{
	struct entry *e = p ? il__malloc(sizeof *e) : NULL;

	if (!e)
		return NULL;
	*e = (struct entry){.name = account->name, .calls = account->calls};
	il__list_push(&p->entries, &e->link);
	return e;
}

static void forget_empty(struct pool *p, struct entry *e)
{
	if (e && !e->claims && !e->lent) {
		il__list_remove(&e->link);
		il__free(e);
	}
	if (p && il__list_empty(&p->entries)) {
		il__list_remove(&p->link);
		il__free(p);
	}
}

/* A worker that gives up its wait may do so at the very moment at which its task, and the loop, end: then the word of it comes
 * too late. */
void il__ledger_fini(struct il__ledger *ledger)
{
	struct il__list *node, *entry;

	while ((node = il__list_pop(&ledger->pools))) {
		struct pool *p = il__container_of(node, struct pool, link);
		while ((entry = il__list_pop(&p->entries)))
			il__free(il__container_of(entry, struct entry, link));
		il__free(p);
	}
}

enum column { CLAIMS, LENT };

/*
 * Adds to one of an account's counts. False: it is not in the books, for lack of memory; then it is not found
 * either when it is taken off.
 */
static bool ledger_enter(struct il__ledger *ledger, const struct il__account *account,
			 enum column column, size_t more, bool make)
{
	struct pool *p = find_pool(ledger, account->pool);
	struct entry *e = p ? find_entry(p, account->name) : NULL;
	size_t before, *count;

	if (!e && make) {
		p = p ? p : add_pool(ledger, account);
		e = add_entry(p, account);
	}
	count = e ? (column == CLAIMS ? &e->claims : &e->lent) : NULL;
	if (!count || (!make && *count < 0 - more)) {
		forget_empty(p, NULL);
		return false;
	}
	before = ledger_weight(p);
	ledger_weigh(p, e, (size_t)-1);
	*count += more;
	ledger_weigh(p, e, 1);
	ledger->results += ledger_weight(p) - before;
	forget_empty(p, e);
	return true;
}

void il__owe_calls(il_loop *loop, struct il__account *account, size_t calls)
{
	struct il__account named;

	if (account->in_loop)
		return;
	if (loop->own_clock) {
		named = il__account_named(account);
		if (ledger_enter(&loop->ledger, &named, CLAIMS, calls, true))
			return;
	}
	loop->ledger.results += calls;
}

void il__paid_calls(il_loop *loop, struct il__account *account, size_t calls)
{
	struct il__account named;

	if (account->in_loop)
		return;
	if (loop->own_clock) {
		named = il__account_named(account);
		if (ledger_enter(&loop->ledger, &named, CLAIMS, 0 - calls, false))
			return;
	}
	loop->ledger.results -= calls;
}

bool il__is_in_books(const il_loop *loop, const struct il__account *account)
{
	return account && !account->in_loop && loop->own_clock;
}

static void enter_lent(struct il__ledger *ledger, const struct il__account *account, size_t more,
		       bool make)
{
	ledger_enter(ledger, account, LENT, more, make);
	for (struct il__account *outer = account->outer; outer; outer = outer->outer) {
		const struct il__account named = il__account_named(outer);
		ledger_enter(ledger, &named, LENT, more, make);
	}
}

void il__lend(il_loop *loop, const struct il__account *account)
{
	if (!loop->own_clock)
		return;
	enter_lent(&loop->ledger, account, 1, true);
	if (account->gives_up)
		il__owe(&loop->ledger, IL__OWED_EVENT);
}

void il__back(il_loop *loop, const struct il__account *account)
{
	if (!loop->own_clock)
		return;
	enter_lent(&loop->ledger, account, (size_t)-1, false);
	if (account->gives_up)
		il__paid(&loop->ledger, IL__OWED_EVENT);
}
