/*
 * children.c: child processes that are more than a program: one at a terminal of its own, and one with children of its
 * own, of which none is left.
 */
#include "example.h"

#include <stdio.h>
#include <string.h>

/* [terminal] */
/* A program that looks whether somebody is there: it gets a terminal of 24 rows and 80 columns. */
static int talk_to_terminal(void)
{
	char *const argv[] = {"sh", "-c", "stty size; read name; echo \"hello $name\"", NULL};
	const il_process_options options = {.terminal_rows = 24, .terminal_columns = 80};
	char line[64];
	il_process *process;
	int n, rc = il_process_spawn(&process, argv, &options);
	if (rc < 0)
		return rc;
	il_stream *terminal = il_process_terminal(process); /* belongs to the process */
	n = il_stream_receive_until(terminal, line, sizeof(line), "\r\n", 2);
	if (n >= 0) /* it is up: as if somebody typed */
		rc = il_stream_write_all(terminal, "world\n", 6);
	while (n >= 0 && rc == 0) {
		printf("%.*s\n", n, line);
		n = il_stream_receive_until(terminal, line, sizeof(line), "\r\n", 2);
	}
	int status = il_process_wait(process); /* the terminal's end reads as 0, never as -EIO */
	il_process_destroy(process);
	return rc < 0 ? rc : status;
}
/* [terminal] */

/* [group] */
/* A shell and what it has started: with the time limit all of them are gone. */
static int run_for(il_time limit)
{
	char *const argv[] = {"sh", "-c", "sleep 1000 & sleep 1000; echo late", NULL};
	const il_process_options options = {.new_group = true, .kill_group = true};
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(limit), IL_FAIL_AT_DEADLINE);
	if (rc < 0)
		return rc;
	return il_scope_exit(&scope, il_process_run(NULL, argv, NULL, 0, &options));
}
/* [group] */

static int run(void *arg)
{
	(void)arg;
	int rc = talk_to_terminal();
	printf("the program at the terminal ended with %d\n", rc);
	rc = run_for(IL_MSEC(200));
	printf("the group: %s\n", il_error_name(rc));
	return 0;
}

int main(int argc, char **argv)
{
	return example_main(argc, argv, run, NULL);
}
