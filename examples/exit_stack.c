/*
 * exit_stack.c: a task that takes as many things as it is told, and gives back what it has got, however far it
 * came. Here: the locks of some accounts, and a deadline for all of them.
 */
#include "example.h"

#include <errno.h>
#include <stdio.h>

enum { ACCOUNTS = 3 };

struct account {
	const char *name;
	il_lock *lock;
	int balance;
};

/* [take] */
static int release(void *account)
{
	struct account *a = account;
	printf("released %s\n", a->name);
	return il_lock_release(a->lock);
}

static int take(il_exit_stack *stack, struct account *account)
{
	int rc = il_lock_acquire(account->lock);
	if (rc < 0)
		return rc;
	rc = il_exit_stack_push(stack, release, account);
	return rc < 0 ? il_lock_release(account->lock), rc : rc;
}

static int total(struct account *accounts, int count) /* or why not */
{
	il_exit_stack *stack;
	int sum = 0, rc = il_exit_stack_open(&stack);
	if (rc < 0)
		return rc;
	for (int i = 0; i < count && rc == 0; i++)
		rc = take(stack, &accounts[i]);
	for (int i = 0; i < count && rc == 0; i++)
		sum += accounts[i].balance;
	return il_exit_stack_close(stack, rc < 0 ? rc : sum);
}
/* [take] */

static int total_of_all(void *accounts)
{
	return total(accounts, ACCOUNTS);
}

static int keep_until_told(void *account)
{
	struct account *a = account;
	int rc = il_lock_acquire(a->lock);
	if (rc < 0)
		return rc;
	rc = il_sleep_forever();
	return il_lock_release(a->lock), rc;
}

static int ask(struct account *accounts)
{
	il_group group;
	printf("total: %d\n", total_of_all(accounts));
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, keep_until_told, &accounts[ACCOUNTS - 1]);
	if (rc == 0)
		rc = il_yield(); /* it has the lock now */
	if (rc == 0)
		printf("total: %s\n",
		       il_error_name(il_fail_after(IL_MSEC(10), total_of_all, accounts)));
	int cancelled = il_scope_cancel(il_group_scope(&group));
	return il_group_close(&group, rc < 0 ? rc : cancelled);
}

static int run(void *arg)
{
	(void)arg;
	struct account accounts[ACCOUNTS] = {{"a", NULL, 1}, {"b", NULL, 20}, {"c", NULL, 300}};
	int rc = 0;
	for (int i = 0; i < ACCOUNTS && rc == 0; i++)
		rc = il_lock_create(&accounts[i].lock);
	if (rc == 0)
		rc = ask(accounts);
	for (int i = 0; i < ACCOUNTS; i++)
		il_lock_destroy(accounts[i].lock);
	return rc;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
