/*
 * process_main.c: a program whose functions rely on what main sets up, so its workers go through main as
 * far as il_process_worker_main_if_needed; a function of a module that was loaded at run time; a module
 * that a worker cannot load, and a name that helps; a program that ignores SIGCHLD; and one whose worker
 * stands still before it gets so far.
 */
#define _GNU_SOURCE
#include "../core/check.h"

#include <interloop.h>

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *greeting = "nothing";

struct answer {
	char text[32];
	int pid;
};

static int greet(void *arg)
{
	struct answer *a = arg;

	snprintf(a->text, sizeof a->text, "%s", greeting);
	a->pid = getpid();
	return 0;
}

static void check_main_was_there(il_executor *ex)
{
	struct answer a = {.pid = 0};

	CHECK(il_executor_run(ex, greet, &a, sizeof a) == 0);
	CHECK(strcmp(a.text, "set up by main") == 0);
	CHECK(a.pid > 0 && a.pid != getpid());
}

static il_fn *function_of(void *module, const char *name)
{
	void *symbol = dlsym(module, name);
	il_fn *fn = NULL;

	memcpy(&fn, &symbol, sizeof fn);
	return fn;
}

/* The worker's own, for when the module is not there. */
static int stand_in(void *arg)
{
	((int *)arg)[2] = -1;
	return 2;
}

/* The initializer, so in workers only. */
static int register_stand_in(void *arg)
{
	(void)arg;
	return il_function_register("add", stand_in);
}

/* The module is gone from its place when another worker looks for it. */
static void check_module(const char *path)
{
	il_process_pool_options options = {
	    .max_workers = 1, .initializer = register_stand_in, .max_calls_per_worker = 1};
	char elsewhere[4096];
	il_executor *ex = NULL;
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	il_fn *fn = module ? function_of(module, "process_module_add") : NULL;
	int numbers[3] = {20, 22, 0};

	CHECK(fn != NULL);
	CHECK(il_process_pool_create(&ex, &options) == 0);
	CHECK(il_executor_run(ex, fn, numbers, sizeof numbers) == 1);
	CHECK(numbers[2] == 42);
	snprintf(elsewhere, sizeof elsewhere, "%s.moved", path);
	CHECK(rename(path, elsewhere) == 0);
	CHECK(il_executor_run(ex, fn, numbers, sizeof numbers) == -ENOENT);
	CHECK(il_function_register("add", fn) == 0);
	CHECK(il_executor_run(ex, fn, numbers, sizeof numbers) == 2);
	CHECK(numbers[2] == -1);
	CHECK(rename(elsewhere, path) == 0);
	CHECK(il_executor_run(ex, fn, numbers, sizeof numbers) == 1);
	check_main_was_there(ex);
	il_executor_destroy(ex);
	dlclose(module);
}

static void check_ignored_children(il_executor *ex)
{
	struct answer a = {.pid = 0}, b = {.pid = 0};

	signal(SIGCHLD, SIG_IGN);
	CHECK(il_executor_run(ex, greet, &a, sizeof a) == 0);
	kill(a.pid, SIGKILL);
	CHECK(il_executor_run(ex, greet, &b, sizeof b) == 0);
	CHECK(a.pid != b.pid);
}

/* Its worker does not get as far as to listen. */
static void check_let_go(void)
{
	il_process_pool_options options = {.max_workers = 1};
	struct answer a = {.pid = 0};
	il_executor *ex = NULL;
	il_future *f;

	CHECK(setenv("STAND_STILL", "1", 1) == 0);
	CHECK(il_process_pool_create(&ex, &options) == 0);
	CHECK(unsetenv("STAND_STILL") == 0);
	CHECK(il_executor_submit(ex, &f, greet, &a, sizeof a) == 0);
	CHECK(il_future_cancel(f));
	CHECK(il_future_result(f, 0) == -ECANCELED);
	il_future_unref(f);
	CHECK(il_executor_map(ex, greet, &a, 1, sizeof a, NULL, IL_MSEC(20)) == -ETIMEDOUT);
	il_executor_destroy(ex); /* and kills it */
}

static void check_start_limit(void)
{
	il_process_pool_options options = {
	    .max_workers = 1, .start_timeout = IL_MSEC(10), .restart_budget = 2};
	struct answer a = {.pid = 0};
	il_executor *ex = NULL;

	CHECK(setenv("STAND_STILL", "1", 1) == 0);
	CHECK(il_process_pool_create(&ex, &options) == 0);
	CHECK(il_executor_run(ex, greet, &a, sizeof a) == -ENOTRECOVERABLE);
	CHECK(strstr(il_error_detail(), "a worker did not start: "));
	CHECK(strstr(il_error_detail(), "not ready within start_timeout"));
	il_executor_destroy(ex);
	CHECK(unsetenv("STAND_STILL") == 0);
}

int main(int argc, char **argv)
{
	il_process_pool_options options = {.max_workers = 1, .initializer = register_stand_in};
	il_executor *ex = NULL;

	while (getenv("STAND_STILL"))
		pause();
	greeting = "set up by main";
	il_process_worker_main_if_needed();
	CHECK(il_process_pool_create(&ex, &options) == 0);
	check_main_was_there(ex);
	if (argc > 1)
		check_module(argv[1]);
	check_ignored_children(ex);
	il_executor_destroy(ex);
	check_start_limit();
	check_let_go();
	return 0;
}
