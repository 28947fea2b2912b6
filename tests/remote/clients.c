/*
 * clients.c: a program that ends while it has calls out: the server drops those that nobody has begun, what runs ends, and its
 * answer is nobody's. Server and worker go on. And one that is stopped for a while, and one that forks.
 */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

enum { CALLS = 5, AFTER = 99 };

static struct server server;

/* One call runs, and the worker has taken so many more. */
static void end_client(int prefetch)
{
	const char *servers[] = {server.address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct note n = {AFTER, 0};
	char options[32];
	pid_t worker, client;

	snprintf(options, sizeof options, "slots=1 prefetch=%d", prefetch);
	journal_open();
	client = client_start(server.address, "calls=5 ms=500");
	UNTIL(has_jobs(&server, "t.note", CALLS, 0));
	worker = worker_start(server.address, options);
	UNTIL(journal_count(0) == 1 && has_jobs(&server, "t.note", CALLS, 1 + prefetch));
	kill(client, SIGKILL);
	CHECK_EQ(waitpid(client, NULL, 0), client);
	CHECK_EQ(il_executor_run(ex, note, &n, sizeof n), AFTER); /* behind all of them */
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(journal_count(i), i < 1 + prefetch);
	UNTIL(has_jobs(&server, "t.note", 0, 0));
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a client ends, %d calls are taken\n", 1 + prefetch);
}

/* A client that is stopped for five beats has heard nothing meanwhile, and nobody is lost for that: it sends no call again. */
static void stop_client(void)
{
	enum { BEAT = 200 }; /* ms */
	pid_t worker = worker_start(server.address, "slots=1 prefetch=1 beat=200"), client;

	journal_open();
	client = client_start(server.address, "calls=2 ms=2000 beat=200 resubmits=1");
	UNTIL(journal_count(0) == 1 && has_jobs(&server, "t.note", 2, 2));
	usleep(2 * BEAT * 1000);
	kill(client, SIGSTOP);
	usleep(5 * BEAT * 1000);
	kill(client, SIGCONT);
	UNTIL(has_jobs(&server, "t.note", 0, 0));
	CHECK_EQ(journal_count(-1), 2);
	kill(client, SIGKILL);
	CHECK_EQ(waitpid(client, NULL, 0), client);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a client stops\n");
}

static bool over;

static void *ask_always(void *ex)
{
	il_remote_statistics s;

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		CHECK_EQ(il_remote_pool_get_statistics(ex, &s), 0);
	return NULL;
}

static int take_none(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return -EAGAIN;
}

/* In a child of fork its parent's pool is not there, and nothing that another thread had at that moment is missing. */
static void be_a_child(il_executor *inherited)
{
	const il_executor_ops ops = {.submit = take_none};
	struct note n = {AFTER, 0};
	il_remote_statistics s;
	il_executor *own;

	alarm(10);
	if (il_executor_run(inherited, note, &n, sizeof n) != -ESHUTDOWN ||
	    il_remote_pool_get_statistics(inherited, &s) != -ESHUTDOWN ||
	    il_executor_create(&own, &ops, NULL) < 0 ||
	    il_remote_pool_get_statistics(own, &s) != -EINVAL)
		_exit(1);
	il_executor_destroy(own);
	il_executor_destroy(inherited);
	_exit(0);
}

static void fork_client(void)
{
	enum { FORKS = 20 };
	const char *servers[] = {server.address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	pthread_t thread;

	pthread_create(&thread, NULL, ask_always, ex);
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();
		int status;
		if (child == 0)
			be_a_child(ex);
		CHECK_EQ(waitpid(child, &status, 0), child);
		CHECK_EQ(status, 0);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	il_executor_destroy(ex);
	printf("a client forks\n");
}

void test_all(void)
{
	server_start(&server, 1);
	journal_open(); /* which worker programs inherit */
	end_client(0);
	end_client(1);
	stop_client();
	fork_client();
	server_stop(&server);
}
