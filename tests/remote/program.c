/*
 * program.c: interloop-worker: the functions of a module are served; what is wrong with its command line is said.
 */
#include "processors.h"
#include "support.h"

/* Here they have their names only. */
static int square(void *arg)
{
	(void)arg;
	return -ENOSYS;
}

static int end_process(void *arg)
{
	(void)arg;
	return -ENOSYS;
}

static int meet(void *arg)
{
	(void)arg;
	return -ENOSYS;
}

static void serve(const char *address)
{
	const char *servers[] = {address};
	il_remote_pool_options o = {.servers = servers, .server_count = 1, .prefix = "app."};
	il_executor *ex = pool_with(&o);
	char *const argv[] = {WORKER,     "--server", (char *)(uintptr_t)address,
			      "--prefix", "app.",     "--slots",
			      "1",        "--drain",  "5",
			      MODULE,     NULL};
	pid_t worker = program_start(argv);
	int n = 12;

	CHECK_EQ(il_executor_run(ex, square, &n, sizeof n), 0);
	CHECK_EQ(n, 144);
	CHECK_EQ(il_executor_run(ex, end_process, NULL, 0), -EOWNERDEAD);
	CHECK_EQ(il_executor_run(ex, square, &n, sizeof n), 0); /* it lives */
	CHECK_EQ(worker_stop(worker), 0);
	il_executor_destroy(ex);
	printf("served\n");
}

/* As many as there are processors, and all of them at once. */
static void serve_in_threads(const char *address)
{
	const char *servers[] = {address};
	il_remote_pool_options o = {.servers = servers, .server_count = 1};
	il_executor *ex = pool_with(&o);
	char *const argv[] = {MANY_PROCESSORS, "--server", (char *)(uintptr_t)address,
			      "--threads",     MODULE,     NULL};
	pid_t worker = program_start(argv);
	il_future *f[PROCESSORS] = {NULL};
	int all = PROCESSORS;

	for (int i = 0; i < PROCESSORS; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], meet, &all, sizeof all), 0);
	for (int i = 0; i < PROCESSORS; i++)
		CHECK_EQ(until_done(f[i]), 0);
	CHECK_EQ(worker_stop(worker), 0);
	il_executor_destroy(ex);
	printf("in threads\n");
}

static void say(const char *words, int status, const char *expected)
{
	char command[1024], text[4096];

	snprintf(command, sizeof command, "%s %s 2>&1 </dev/null", WORKER, words);
	CHECK_EQ(program_output(command, text, sizeof text), status);
	if (!strstr(text, expected))
		printf("%s: %s\n", words, text);
	CHECK(strstr(text, expected) != NULL);
}

static void refuse_words(void)
{
	say("--help", 0, "usage: interloop-worker --server");
	say("--version", 0, il_version());
	say(MODULE, 2, "no --server");
	say("--server 127.0.0.1:1", 2, "no module");
	say("--server 127.0.0.1:1 --slots many " MODULE, 2, "--slots is \"many\"; it must be 1 to");
	say("--unheard-of", 2, "unheard-of");
	say("--server 127.0.0.1:1 nowhere.so", 1, "./nowhere.so");
	say("--server 127.0.0.1:1 " EMPTY_MODULE, 1, "registers no function");
	say("--server 10.0.0.1:1 " MODULE, 1, "EACCES: ");
	say("--server nothing " MODULE, 1, "it must be HOST:PORT");
	say("--server 127.0.0.1:1 --name m.cube " MODULE, 1,
	    "no function is registered as \"m.cube\"");
	printf("refused\n");
}

void test_all(void)
{
	struct server server;

	CHECK_EQ(il_function_register("m.square", square), 0);
	CHECK_EQ(il_function_register("m.end", end_process), 0);
	CHECK_EQ(il_function_register("m.meet", meet), 0);
	server_start(&server, 1);
	serve(server.address);
	serve_in_threads(server.address);
	refuse_words();
	server_stop(&server);
}
