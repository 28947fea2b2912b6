/*
 * loan.c: a worker's thread begins to wait for tasks of a loop, and has stopped: two messages, which may overtake each
 * other. Any thread, but for `lent`, which is the loop's.
 */
#include "loan.h"
#include "../base/base.h"
#include "../base/memory.h"
#include "../base/sanitizer.h"
#include "inbox.h"
#include "ledger.h"
#include "loop.h"
#include "thread_state.h"

struct il__loan {
	struct il__message begins, ends;
	struct il__loan *next;      /* of the same wait: to another loop */
	struct il__inbox *inbox;    /* a reference */
	struct il__account account; /* a copy: the call may be gone before the messages */
	atomic_uint refs;           /* the waiter's, and one for each message under way */
	atomic_bool ended;
	bool begun; /* the waiter's */
	bool lent;
	struct il__account outer[]; /* copies, too */
};

static void loan_unref(struct il__loan *loan)
{
	if (!il__drop_reference(&loan->refs))
		return;
	il__inbox_unref(loan->inbox);
	il__free(loan);
}

static void loan_post(struct il__loan *loan, struct il__message *m)
{
	atomic_fetch_add_explicit(&loan->refs, 1, memory_order_relaxed);
	if (il__inbox_post(loan->inbox, m) < 0)
		loan_unref(loan); /* the loop is closed: its tasks have ended */
}

static void loan_give_back(struct il__loan *loan, il_loop *loop)
{
	if (loan->lent)
		il__back(loop, &loan->account);
	loan->lent = false;
}

static void loan_on_begins(struct il__message *m, il_loop *loop)
{
	struct il__loan *loan = il__container_of(m, struct il__loan, begins);

	loan->lent = !atomic_load_explicit(&loan->ended, memory_order_acquire);
	if (loan->lent)
		il__lend(loop, &loan->account);
	loan_unref(loan);
}

static void loan_on_ends(struct il__message *m, il_loop *loop)
{
	struct il__loan *loan = il__container_of(m, struct il__loan, ends);

	loan_give_back(loan, loop);
	loan_unref(loan);
}

struct il__account il__lender_here(bool gives_up)
{
	struct il__account *account = il__self.account, lender = {.name = 0};

	if (!account)
		return lender;
	lender = il__account_named(account);
	lender.gives_up = gives_up;
	lender.outer = account->outer;
	return lender;
}

static struct il__loan *loan_make(void)
{
	struct il__account *outer = il__self.account->outer, *last;
	struct il__loan *loan;
	size_t count = 0;

	for (const struct il__account *o = outer; o; o = o->outer)
		count++;
	loan = il__calloc(1, sizeof *loan + count * sizeof *loan->outer);
	if (!loan)
		return NULL;
	last = &loan->account;
	*last = il__account_named(il__self.account);
	for (size_t i = 0; i < count; i++, outer = outer->outer) {
		loan->outer[i] = il__account_named(outer);
		last->outer = &loan->outer[i];
		last = last->outer;
	}
	return loan;
}

bool il__loan_add(struct il__loan **loans, struct il__inbox *inbox)
{
	struct il__loan *loan;

	if (!il__inbox_own_clock(inbox))
		return false;
	for (loan = *loans; loan; loan = loan->next)
		if (loan->inbox == inbox)
			return true;
	loan = loan_make();
	if (!loan)
		return false; /* as an account that is not in the books: the clock stands */
	loan->begins.handle = loan_on_begins;
	loan->ends.handle = loan_on_ends;
	loan->inbox = il__inbox_ref(inbox);
	atomic_init(&loan->refs, 1);
	loan->next = *loans;
	*loans = loan;
	return true;
}

/* Each of several loops may be the one that wakes it. */
void il__loans_begin(struct il__loan *loans, bool gives_up)
{
	for (struct il__loan *loan = loans; loan; loan = loan->next) {
		if (loan->begun)
			continue;
		loan->begun = true;
		loan->account.gives_up = gives_up || loans->next;
		loan_post(loan, &loan->begins);
	}
}

void il__loans_end(struct il__loan *loans)
{
	il_loop *here = il__self.loop;

	for (struct il__loan *loan = loans; loan; loan = loan->next) {
		if (atomic_exchange_explicit(&loan->ended, true, memory_order_acq_rel))
			continue;
		if (here && here->inbox == loan->inbox)
			loan_give_back(loan, here);
		else
			loan_post(loan, &loan->ends);
	}
}

void il__loans_drop(struct il__loan *loans)
{
	while (loans) {
		struct il__loan *loan = loans;
		loans = loan->next;
		loan_unref(loan);
	}
}
