/*
 * foreign.c: a worker program on a machine of another kind: $IL_TEST_FOREIGN_WORKER is the command of this program there, emulated
 * (foreign.sh). What the envelopes carry comes through whatever the byte order is. An emulated program starts no children: its
 * calls run in threads.
 */
#include "support.h"

enum { LARGE = 1 << 20 };

static il_executor *ex;

static pid_t start_foreign(char *command, char *server)
{
	char *words[24];
	int n = 0;

	for (char *w = strtok(command, " "); w && n < 20; w = strtok(NULL, " "))
		words[n++] = w;
	words[n++] = "worker";
	words[n++] = server;
	words[n++] = "slots=2 prefetch=2 beat=500 threads=1";
	words[n] = NULL;
	return program_spawn(words);
}

static int call_twice(void *bytes)
{
	return il_executor_run(ex, twice, bytes, IL_BYTES);
}

/* The time that is left goes along: read the wrong way round it would be over, or no limit. */
static int call_in_time(void *bytes)
{
	CHECK_EQ(il_fail_after(IL_SEC(60), call_twice, bytes), 0);
	return 0;
}

static void call_all_kinds(void)
{
	il_bytes b = {.in = "abc", .in_size = 3};
	char *large = malloc(LARGE);

	CHECK_EQ(il_run(il_backend_find(NULL), call_in_time, &b), 0);
	CHECK(b.out_size == 6 && memcmp(b.out, "abcabc", 6) == 0);
	il_bytes_free(&b);
	for (int i = 0; i < LARGE; i++)
		large[i] = (char)(i * 7);
	b = (il_bytes){.in = large, .in_size = LARGE};
	CHECK_EQ(call_twice(&b), 0);
	CHECK(b.out_size == 2 * LARGE && memcmp((char *)b.out + LARGE, large, LARGE) == 0);
	il_bytes_free(&b);
	free(large);
	CHECK_EQ(il_executor_run(ex, refuse, NULL, 0), -EDOM);
	CHECK(strcmp(il_error_detail(), "no such number") == 0);
	CHECK_EQ(il_executor_run(ex, program, NULL, 0), getpid()); /* whose child it is */
}

/* Some at once, so that it takes calls ahead; the order of its answers is its own. */
static void call_many(void)
{
	enum { CALLS = 200 };
	static il_bytes b[CALLS];
	static char in[CALLS][8];
	static il_future *f[CALLS];

	for (int i = 0; i < CALLS; i++) {
		b[i] = (il_bytes){.in = in[i], .in_size = (size_t)sprintf(in[i], "%d", i)};
		CHECK_EQ(il_executor_submit(ex, &f[i], twice, &b[i], IL_BYTES), 0);
	}
	for (int i = 0; i < CALLS; i++) {
		CHECK_EQ(until_done(f[i]), 0);
		CHECK(b[i].out_size == 2 * b[i].in_size &&
		      memcmp((char *)b[i].out + b[i].in_size, in[i], b[i].in_size) == 0);
		il_bytes_free(&b[i]);
	}
}

void test_all(void)
{
	char *command = getenv("IL_TEST_FOREIGN_WORKER");
	struct server server;
	pid_t worker;

	if (!command) {
		check_failed(__FILE__, __LINE__,
			     "a program for another kind of machine: see foreign.sh", 0, 1);
		return;
	}
	server_start(&server, 1);
	const char *servers[] = {server.address};
	il_remote_pool_options o = pool_options(servers, 1);
	worker = start_foreign(command, server.address);
	o.unserved_timeout = IL_SEC(60); /* it starts slowly */
	o.heartbeat = IL_MSEC(500);
	ex = pool_with(&o);
	call_all_kinds();
	call_many();
	CHECK_EQ((long)statistics_of(ex, 0).lost, 0);
	CHECK_EQ(worker_stop(worker), 0);
	il_executor_destroy(ex);
	server_stop(&server);
	printf("a worker program on another kind of machine\n");
}
