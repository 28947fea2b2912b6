/*
 * work_processes.c: pools of worker processes, child processes, signals.
 */
#include "work.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- worker processes: these run in them ---- */

static int flat(void *arg)
{
	++*(int *)arg;
	return 3;
}

static int triple(void *arg)
{
	il_bytes *b = arg;
	int rc = 0;

	for (int i = 0; i < 3 && rc == 0; i++)
		rc = il_bytes_append(b, b->in, b->in_size);
	return rc < 0 ? rc : 3;
}

static int mark(void *arg)
{
	il_shared *s = arg;

	*(char *)s->data = 'x';
	s->args[0]++;
	return 3;
}

static int die(void *arg)
{
	(void)arg;
	fprintf(stderr, "dying\n");
	_exit(9);
}

static int initialize(void *arg)
{
	return *(int *)arg == 42 ? 0 : -EINVAL;
}

/* ---- and these call them ---- */

static void call_bytes(il_executor *ex)
{
	static const char bytes[3000];
	il_bytes b = {.in = bytes, .in_size = sizeof bytes};
	int rc = TRY(il_executor_run(ex, triple, &b, IL_BYTES));

	if (rc >= 0 && (rc != 3 || b.out_size != 3 * sizeof bytes))
		work_odd("bytes: %d, %zu of them", rc, b.out_size);
	il_bytes_free(&b);
}

static void call_shared(il_executor *ex)
{
	il_shared s;
	int rc;

	if (TRY(il_shared_create(&s, 4096)) < 0)
		return;
	rc = TRY(il_executor_run(ex, mark, &s, IL_SHARED));
	if (rc >= 0 && (rc != 3 || *(char *)s.data != 'x' || s.args[0] != 1))
		work_odd("shared memory: %d", rc);
	il_shared_destroy(&s);
}

static void use_pool(il_executor *ex)
{
	int value = 1, items[3] = {1, 2, 3}, results[3], rc;
	il_future *f = NULL;

	rc = TRY(il_executor_run(ex, flat, &value, sizeof value));
	if (rc >= 0 && (rc != 3 || value != 2))
		work_odd("a flat call: %d, %d", rc, value);
	call_bytes(ex);
	call_shared(ex);
	if (TRY(il_executor_run(ex, die, &value, sizeof value)) >= 0)
		work_odd("a worker died, and the call returned a result");
	value = 5;
	if (TRY(il_executor_submit(ex, &f, flat, &value, sizeof value)) == 0) {
		rc = TRY(il_future_result(f, WORK_PATIENCE));
		if (rc == -ETIMEDOUT && !il_future_done(f))
			work_odd("a pool's future is never done");
		if (rc >= 0 && value != 6)
			work_odd("a pool's argument did not come back");
		il_future_unref(f);
	}
	TRY(il_executor_map(ex, flat, items, 3, sizeof items[0], results, WORK_PATIENCE));
}

static int pool_main(void *arg)
{
	static const int magic = 42;
	const il_process_pool_options options = {.max_workers = 2,
						 .initializer = initialize,
						 .initializer_arg = &magic,
						 .initializer_size = sizeof magic};
	il_executor *ex;

	(void)arg;
	if (TRY(il_process_pool_create(&ex, &options)) < 0)
		return 0;
	use_pool(ex);
	MUST(il_executor_shutdown(ex, 0));
	il_executor_unref(ex);
	return 0;
}

void work_pool(void)
{
	work_in_loop(pool_main);
}

void work_pool_plain(void)
{
	pool_main(NULL);
}

/* ---- children ---- */

static int read_line(void *child)
{
	char line[100];

	return TRY(il_stream_receive_until(il_process_stdout(child), line, sizeof line, "\n", 1));
}

static void talk_to_child(void)
{
	char *const argv[] = {"cat", NULL};
	const il_process_options options = {
	    .input = IL_STDIO_PIPE, .output = IL_STDIO_PIPE, .errors = IL_STDIO_NULL};
	il_process *child;

	if (TRY(il_process_spawn(&child, argv, &options)) < 0)
		return;
	TRY(il_stream_write_all(il_process_stdin(child), "x\n", 2));
	work_briefly(read_line, child);
	TRY(il_process_terminate(child));
	TRY(il_process_wait(child));
	TRY(il_process_close(child));
	il_process_destroy(child);
}

static void end_children(void)
{
	char *const argv[] = {"sleep", "100", NULL};
	il_process *child;

	if (TRY(il_process_spawn(&child, argv, NULL)) == 0) {
		il_case cases[] = {il_case_process(child)};
		TRY(il_process_kill(child));
		TRY(il_select(cases, 1, WORK_PATIENCE));
		TRY(il_process_wait(child));
		il_process_destroy(child);
	}
	if (TRY(il_process_spawn(&child, argv, NULL)) == 0)
		il_process_destroy(child);
	TRY(il_process_spawn(&child, (char *const[]){"/no/such/program", NULL}, NULL));
}

static void use_terminal(void)
{
	const il_process_options options = {.terminal_rows = 24, .terminal_columns = 80};
	char *const argv[] = {"true", NULL};
	il_process *child;

	if (TRY(il_process_spawn(&child, argv, &options)) < 0)
		return;
	TRY(il_process_wait(child));
	il_process_destroy(child);
}

static int children_main(void *arg)
{
	il_process_result result;

	(void)arg;
	if (TRY(il_process_run(&result, (char *const[]){"cat", NULL}, "hello", 5, NULL)) == 0) {
		/* With EPIPE the child does not want its input, and that is no error. */
		if (result.output_size != 5 && !(result.output_size == 0 && work_failed()))
			work_odd("cat returned %zu bytes", result.output_size);
		il_process_result_clear(&result);
	}
	TRY(il_process_run(NULL, (char *const[]){"false", NULL}, NULL, 0,
			   &(il_process_options){.directory = "/"}));
	talk_to_child();
	end_children();
	use_terminal();
	return 0;
}

void work_children(void)
{
	work_in_loop(children_main);
}

/* ---- signals ---- */

static int signals_main(void *arg)
{
	il_signal_receiver *receiver;

	(void)arg;
	if (TRY(il_signal_receiver_open(&receiver, (int[]){SIGUSR1, SIGUSR2}, 2)) < 0)
		return 0;
	raise(SIGUSR1);
	if (TRY(il_signal_receiver_next(receiver, WORK_PATIENCE)) == -ETIMEDOUT)
		work_odd("a signal is lost");
	MUST(il_signal_receiver_close(receiver));
	il_signal_receiver_destroy(receiver);
	return 0;
}

void work_signals(void)
{
	work_in_loop(signals_main);
}
