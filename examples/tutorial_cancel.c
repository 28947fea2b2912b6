/*
 * tutorial_cancel.c: what a deadline, a cancelled scope and a failing neighbour do to a task; see
 * docs/tutorial.md.
 */
#include "usage.h"

#include <interloop.h>

#include <stdio.h>

/* [patient] */
static int patient(void *arg)
{
	const char *name = arg;
	int rc = il_sleep(IL_SEC(3600));
	if (rc < 0)
		printf("%s: %s\n", name, il_error_name(rc));
	return rc; /* give back here what you took, and pass the code on */
}
/* [patient] */

/* [deadline] */
static void deadlines(void)
{
	int rc = il_fail_after(IL_MSEC(50), patient, "first");
	printf("il_fail_after: %s\n", il_error_name(rc));
	rc = il_move_on_after(IL_MSEC(50), patient, "second");
	printf("il_move_on_after: %s\n", il_error_name(rc));
}
/* [deadline] */

/* [scope] */
static int with_scope(void)
{
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(IL_MSEC(50)), 0);
	if (rc < 0)
		return rc;
	rc = il_scope_exit(&scope, patient("third"));
	printf("il_scope_exit: %s, %s\n", il_error_name(rc),
	       il_scope_expired(&scope) ? "the time was up" : "in time");
	return rc;
}
/* [scope] */

/* [race] */
static int quick(void *arg)
{
	int rc = il_sleep(IL_MSEC(50));
	if (rc < 0)
		return rc;
	printf("quick: I have it\n");
	return il_scope_cancel(il_group_scope(arg)); /* nobody else needs to go on */
}

static int race(void)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, patient, "slow");
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, quick, &group);
	rc = il_group_close(&group, rc);
	printf("the race: %s\n", il_error_name(rc));
	return rc;
}
/* [race] */

/* [failure] */
static int fail(void *arg)
{
	(void)arg;
	int rc = il_sleep(IL_MSEC(50));
	return rc < 0 ? rc : -EIO;
}

static int failure(void)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, patient, "neighbour");
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, fail, NULL);
	rc = il_group_close(&group, rc);
	printf("the group: %s\n", il_error_name(rc));
	return rc == -EIO ? 0 : rc;
}
/* [failure] */

static int run(void *arg)
{
	(void)arg;
	deadlines();
	int rc = with_scope();
	if (rc == 0)
		rc = race();
	return rc < 0 ? rc : failure();
}

int main(int argc, char **argv)
{
	usage(argc, argv, "");
	int rc = il_run(il_backend_find(NULL), run, NULL);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
