/*
 * context.c: an async context used from a thread. One task opens a transaction, holds it while the
 * thread works, and is told how that ended: it commits, or rolls back.
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>

struct account {
	int balance;
};

struct use {
	il_portal *portal;
	struct account *account;
};

/* [context] */
static int transaction(void *arg) /* one task in the loop, from enter to exit */
{
	struct account *account = arg;
	int before = account->balance;
	int rc = il_sleep(IL_MSEC(2)); /* begin */
	if (rc < 0)
		return rc;
	rc = il_portal_hold(before); /* makes enter return, and returns what exit is given */
	if (rc < 0) {
		account->balance = before;
		printf("rolled back: %s\n", il_error_name(rc));
		return rc;
	}
	rc = il_sleep(IL_MSEC(2)); /* commit */
	printf("committed\n");
	return rc;
}
/* [context] */

/* [thread] */
static int withdraw(struct use *use, int amount)
{
	il_portal_context *context;
	int balance = il_portal_enter(use->portal, &context, transaction, use->account);
	if (balance < 0)
		return balance;
	use->account->balance -= amount; /* blocking work, in this thread */
	int rc = balance < amount ? -ERANGE : 0;
	return il_portal_exit(context, rc); /* what transaction() returned */
}

static int worker(void *arg)
{
	struct use *use = arg;
	printf("withdraw 70: %s\n", il_error_name(withdraw(use, 70)));
	printf("withdraw 70: %s\n", il_error_name(withdraw(use, 70)));
	return 0;
}
/* [thread] */

static int run(void *arg)
{
	(void)arg;
	struct account account = {.balance = 100};
	struct use use = {.account = &account};
	int rc = il_loop_create_threads_portal(il_loop_current(), &use.portal);
	if (rc < 0)
		return rc;
	rc = il_run_in_thread(worker, &use);
	printf("balance: %d\n", account.balance);
	int closed = il_portal_close(use.portal);
	return rc < 0 ? rc : closed;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
