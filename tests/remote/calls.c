/*
 * calls.c: calls on other machines as any executor's: results, sizes, cancellation, worker programs that come and go, servers
 * that do.
 */
#include "support.h"

#include <interloop/layer.h>

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void plain_calls(il_executor *ex)
{
	struct sum s = {1, 2, 0}, many[200];
	int results[200];
	il_bytes b = {.in = "abc", .in_size = 3};
	il_future *f = NULL;

	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), 3);
	CHECK_EQ(s.sum, 3);
	CHECK_EQ(il_executor_run(ex, twice, &b, IL_BYTES), 0);
	CHECK(b.out_size == 6 && memcmp(b.out, "abcabc", 6) == 0);
	il_bytes_free(&b);
	CHECK_EQ(il_executor_run(ex, refuse, NULL, 0), -EDOM);
	CHECK(strcmp(il_error_detail(), "no such number") == 0);
	CHECK_EQ(il_executor_run(ex, nameless, NULL, 0), -ENOENT);
	CHECK_EQ(il_executor_run(ex, crash, NULL, 0), -EOWNERDEAD);
	CHECK(strstr(il_error_detail(), "my last words") != NULL);
	for (int i = 0; i < 200; i++)
		many[i] = (struct sum){i, i, 0};
	CHECK_EQ(il_executor_map(ex, add, many, 200, sizeof many[0], results, IL_SEC(20)), 0);
	for (int i = 0; i < 200; i++)
		CHECK(results[i] == 2 * i && many[i].sum == 2 * i);
	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	CHECK_EQ(il_future_result(f, IL_SEC(10)), 3);
	il_future_unref(f);
	printf("plain calls\n");
}

/* A call is counted before its result is known. */
static void counted(const char *address)
{
	il_remote_pool_options o = pool_options(&address, 1);
	il_executor *ex = pool_with(&o);
	struct sum s = {1, 2, 0};

	for (unsigned i = 1; i <= 30; i++) {
		il_executor_statistics all;
		il_remote_statistics remote;
		CHECK_EQ(il_executor_run(ex, i % 2 ? add : refuse, &s, sizeof s),
			 i % 2 ? 3 : -EDOM);
		CHECK_EQ(il_executor_get_statistics(ex, &all), 0);
		CHECK_EQ(il_remote_pool_get_statistics(ex, &remote), 0);
		CHECK_EQ((long)remote.calls, 0);
		CHECK_EQ((long)all.submitted, i);
		CHECK_EQ((long)all.completed, (i + 1) / 2);
		CHECK_EQ((long)all.failed, i / 2);
		CHECK_EQ((long)(all.queued + all.running), 0);
	}
	il_executor_destroy(ex);
	printf("counted\n");
}

static void oversize(il_executor *ex)
{
	il_bytes b = {.in_size = 3u << 20};
	void *in = calloc(1, b.in_size);

	b.in = in;
	CHECK_EQ(il_executor_run(ex, twice, &b, IL_BYTES), -EMSGSIZE); /* the argument */
	b.in_size = 1200000;
	CHECK_EQ(il_executor_run(ex, twice, &b, IL_BYTES), -EMSGSIZE); /* the result */
	CHECK(strstr(il_error_detail(), "2400000") && strstr(il_error_detail(), "2097152"));
	b.in_size = 900000;
	CHECK_EQ(il_executor_run(ex, twice, &b, IL_BYTES), 0);
	CHECK_EQ((long)b.out_size, 1800000);
	il_bytes_free(&b);
	free(in);
	printf("oversize\n");
}

/* The bound that holds where none is given: 64 MiB, and not a byte more. And one above. */
static void large(const char *address)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	il_bytes b = {.in_size = (64u << 20) + 1};
	void *in = calloc(1, b.in_size);

	b.in = in;
	CHECK_EQ(il_executor_run(ex, refuse, &b, IL_BYTES), -EMSGSIZE);
	b.in_size--;
	CHECK_EQ(il_executor_run(ex, refuse, &b, IL_BYTES), -EDOM);
	il_executor_destroy(ex);
	o.max_size = b.in_size + 2; /* more than a process pool takes by default */
	ex = pool_with(&o);
	b.in_size = o.max_size / 2;
	CHECK_EQ(il_executor_run(ex, twice, &b, IL_BYTES), 0);
	CHECK_EQ((long)b.out_size, (long)o.max_size);
	il_bytes_free(&b);
	free(in);
	il_executor_destroy(ex);
	printf("large\n");
}

/* A call that runs is not cancelled; SIGTERM lets a worker end what it runs. */
static void drain(il_executor *ex, pid_t first)
{
	unsigned ms = 300;
	il_future *f = NULL;

	CHECK_EQ(il_executor_submit(ex, &f, slow, &ms, sizeof ms), 0);
	while (!il_future_running(f) && !il_future_done(f))
		usleep(1000);
	CHECK(!il_future_cancel(f));
	CHECK_EQ(worker_stop(first), 0);
	CHECK_EQ(until_done(f), 5);
	printf("drain\n");
}

enum { SOAK = 20000 };

struct soak {
	il_executor *ex;
	struct sum sums[SOAK];
	int results[SOAK];
	int rc;
	bool over;
};

static void *map_sums(void *arg)
{
	struct soak *s = arg;

	s->rc =
	    il_executor_map(s->ex, add, s->sums, SOAK, sizeof s->sums[0], s->results, IL_SEC(60));
	__atomic_store_n(&s->over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Workers come and go by SIGTERM: no call is lost, and none fails. Here, for they end with the thread that started them. */
static pid_t drain_in_a_soak(il_executor *ex, const char *address)
{
	struct soak *s = calloc(1, sizeof *s);
	pid_t worker = worker_start(address, ""), next;
	pthread_t thread;

	s->ex = ex;
	for (int i = 0; i < SOAK; i++)
		s->sums[i] = (struct sum){i, 1, 0};
	pthread_create(&thread, NULL, map_sums, s);
	while (!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE)) {
		next = worker_start(address, "");
		while (il_executor_run(ex, program, NULL, 0) != next)
			;
		CHECK_EQ(worker_stop(worker), 0);
		worker = next;
	}
	pthread_join(thread, NULL);
	CHECK_EQ(s->rc, 0);
	for (int i = 0; i < SOAK; i++)
		CHECK(s->results[i] == i + 1 && s->sums[i].sum == i + 1);
	free(s);
	printf("drain in a soak\n");
	return worker;
}

static void lose_worker(il_executor *ex, pid_t pid)
{
	unsigned ms = 5000;
	il_future *f = NULL;

	CHECK_EQ(il_executor_submit(ex, &f, slow, &ms, sizeof ms), 0);
	while (!il_future_running(f))
		usleep(1000);
	kill(pid, SIGKILL);
	CHECK_EQ(il_future_result(f, IL_SEC(10)), -EOWNERDEAD); /* --job-retries=1 */
	il_future_unref(f);
	waitpid(pid, NULL, 0);
	printf("a lost worker\n");
}

/* Nobody serves it: it waits for a while. What was not sent is taken back at once, and what was sent is fixed. */
static void unserved(const char *server)
{
	const char *servers[] = {server};
	il_remote_pool_options o = {.servers = servers,
				    .server_count = 1,
				    .prefix = "nobody.",
				    .queue_limit = 2,
				    .unserved_timeout = IL_MSEC(400)};
	struct sum s = {1, 1, 0};
	il_executor *ex = NULL;
	il_future *f[3] = {NULL};
	il_shared shared;
	uint64_t sent;

	CHECK_EQ(il_remote_pool_create(&ex, &o), 0);
	CHECK_EQ(il_shared_create(&shared, 64), 0);
	CHECK_EQ(il_executor_run(ex, add, &shared, IL_SHARED), -ENOTSUP);
	il_shared_destroy(&shared);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), -ENOENT);
	CHECK(strstr(il_error_detail(), "no worker") != NULL);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], add, &s, sizeof s), 0);
	CHECK_EQ(il_executor_submit(ex, &f[2], add, &s, sizeof s), -EAGAIN);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), -ENOENT); /* it waits for room */
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(il_future_result(f[i], IL_SEC(5)), -ENOENT);
		il_future_unref(f[i]);
	}
	sent = statistics_of(ex, 0).sent;
	CHECK_EQ(il_executor_submit(ex, &f[0], add, &s, sizeof s), 0);
	UNTIL(statistics_of(ex, 0).sent == sent + 1);
	CHECK(il_future_cancel(f[0]));
	CHECK_EQ(il_future_result(f[0], IL_SEC(5)), -ECANCELED);
	il_future_unref(f[0]);
	il_executor_destroy(ex);
	printf("unserved\n");
}

static void no_server(void)
{
	const char *servers[] = {"127.0.0.1:1"};
	il_remote_pool_options o = {
	    .servers = servers, .server_count = 1, .connect_timeout = IL_MSEC(300)};
	struct sum s = {1, 1, 0};
	il_executor *ex = NULL;
	il_future *f = NULL;

	CHECK_EQ(il_remote_pool_create(&ex, &o), 0);
	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	CHECK(il_future_cancel(f));
	CHECK(il_future_done(f)); /* not sent: done at once */
	il_future_unref(f);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), -EHOSTUNREACH);
	CHECK_EQ(il_executor_submit(ex, &f, add, &s, sizeof s), 0);
	CHECK_EQ(il_executor_shutdown(ex, IL_CANCEL_FUTURES), 0);
	CHECK_EQ(il_future_result(f, 0), -ECANCELED);
	il_future_unref(f);
	il_executor_unref(ex);
	printf("no server\n");
}

/* The code of the last attempt to connect is told in words that say what to do. */
static void no_descriptors(void)
{
	const char *servers[] = {"127.0.0.1:1"};
	il_remote_pool_options o = {
	    .servers = servers, .server_count = 1, .connect_timeout = IL_MSEC(300)};
	struct rlimit full, none;
	struct sum s = {1, 1, 0};
	il_executor *ex = NULL;

	CHECK_EQ(il_remote_pool_create(&ex, &o), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &full), 0);
	none = full;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	UNTIL(statistics_of(ex, 0).last_error == -EMFILE);
	CHECK_EQ(il_executor_run(ex, add, &s, sizeof s), -EHOSTUNREACH);
	CHECK(strstr(il_error_detail(), "; raise RLIMIT_NOFILE"));
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &full), 0);
	il_executor_destroy(ex);
	printf("no descriptors\n");
}

static pthread_t main_thread;
static atomic_bool stopped_elsewhere, freed;

/* Of the last reference: mostly in the thread that stops the pool. */
static void let_go(void *self)
{
	sigset_t mask;

	(void)self;
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	if (!pthread_equal(pthread_self(), main_thread)) {
		CHECK(sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGSEGV));
		stopped_elsewhere = true;
	}
	freed = true;
}

static int connect_nobody(il_stream **s, il_stream *under, const char *host, void *self)
{
	(void)s;
	(void)under;
	(void)host;
	(void)self;
	return -ECONNREFUSED;
}

static void stopped_without_signals(void)
{
	const char *servers[] = {"127.0.0.1:1"};
	const struct il_layer layer = {.connect = connect_nobody, .unref = let_go};
	il_remote_pool_options o = {.servers = servers, .server_count = 1, .layer = &layer};
	il_executor *ex = NULL;

	main_thread = pthread_self();
	while (!stopped_elsewhere) {
		freed = false;
		CHECK_EQ(il_remote_pool_create(&ex, &o), 0);
		CHECK_EQ(il_executor_shutdown(ex, IL_NOWAIT), 0);
		il_executor_unref(ex);
		UNTIL(freed);
	}
	printf("stopped without signals\n");
}

/* Bytes of the program's address space. */
static size_t space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The pool holds one copy of an argument, which it sends; so it must know the size. */
static void copy_once(void)
{
	enum { SIZE = 48 << 20 };
	static char large[SIZE];
	const char *servers[] = {"127.0.0.1:1"};
	il_remote_pool_options o = {.servers = servers, .server_count = 1};
	il_executor *ex = pool_with(&o);
	size_t before = space();
	il_future *f = NULL;

	CHECK_EQ(il_executor_submit(ex, &f, add, large, 0), -EINVAL);
	CHECK_EQ(il_executor_submit(ex, &f, add, large, SIZE), 0);
	CHECK(space() - before < SIZE / 2 * 3);
	CHECK(il_future_cancel(f));
	il_future_unref(f);
	il_executor_destroy(ex);
	printf("one copy\n");
}

/* A call is taken back from a server's queue: it never runs, and is done when the server says so. */
static void cancel_queued(const char *address)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	struct note n = {1, 0};
	il_future *f = NULL, *busy = NULL;
	il_executor *ex;

	o.unserved_timeout = IL_FOREVER; /* nothing else ends it */
	ex = pool_with(&o);
	journal_open();
	CHECK_EQ(il_executor_submit(ex, &f, note, &n, sizeof n), 0);
	UNTIL(statistics_of(ex, 0).sent == 1);
	CHECK(il_future_cancel(f));
	CHECK_EQ(until_done(f), -ECANCELED);
	CHECK_EQ((long)statistics_of(ex, 0).calls, 0);
	pid_t worker = worker_start(address, "slots=1");
	n.id = 2;
	CHECK_EQ(il_executor_submit(ex, &busy, note, &n, sizeof n), 0);
	CHECK_EQ(until_done(busy), 2);
	CHECK_EQ(journal_count(1), 0);
	il_executor_destroy(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a queued call is taken back\n");
}

/* What a shutdown cancels: what is not sent, and what no worker has begun. What runs ends. */
static void shut_down_and_cancel(const char *address)
{
	const char *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex = pool_with(&o);
	struct note n[5];
	il_future *f[5] = {NULL};
	pid_t worker = worker_start(address, "slots=1");

	journal_open();
	for (int i = 0; i < 5; i++) {
		n[i] = (struct note){i, 200};
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	}
	UNTIL(il_future_running(f[0]));
	CHECK_EQ(il_executor_shutdown(ex, IL_CANCEL_FUTURES), 0);
	CHECK_EQ(until_done(f[0]), 0);
	for (int i = 1; i < 5; i++)
		CHECK_EQ(until_done(f[i]), -ECANCELED);
	CHECK_EQ(journal_count(-1), 1);
	il_executor_unref(ex);
	CHECK_EQ(worker_stop(worker), 0);
	printf("a shutdown that cancels\n");
}

enum { MANY = 40000 };

/* What has waited for a server is looked at once, and not for each call that is cancelled: calls that nobody attends stay, and lie
 * before the others. */
static void cancel_many(void)
{
	const char *nobody[] = {"127.0.0.1:1"};
	il_remote_pool_options o = pool_options(nobody, 1);
	il_future **f = calloc(MANY, sizeof *f);
	il_executor *ex;
	double begin;

	o.connect_timeout = IL_SEC(3600);
	o.queue_limit = 2 * MANY;
	ex = pool_with(&o);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(il_executor_submit(ex, NULL, refuse, NULL, 0), 0);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(il_executor_submit(ex, &f[i], refuse, NULL, 0), 0);
	begin = seconds();
	CHECK_EQ(il_executor_shutdown(ex, IL_CANCEL_FUTURES | IL_NOWAIT), 0);
	CHECK(seconds() - begin < PATIENCE);
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(until_done(f[i]), -ECANCELED);
	il_executor_unref(ex);
	free(f);
	printf("very many are cancelled\n");
}

static void refuse_options(void)
{
	const char *far[] = {"10.1.2.3:4730"}, *odd[] = {"nowhere"};
	il_remote_pool_options o = pool_options(far, 1);
	il_remote_worker_options w = {.servers = far, .server_count = 1};
	il_remote_statistics s;
	il_executor *ex = NULL, *threads = NULL;

	CHECK_EQ(il_remote_pool_create(&ex, NULL), -EINVAL);
	CHECK_EQ(il_remote_pool_create(&ex, &o), -EACCES);
	CHECK_EQ(il_remote_worker_serve(&w), -EACCES);
	o.servers = w.servers = odd;
	CHECK_EQ(il_remote_pool_create(&ex, &o), -EINVAL);
	CHECK_EQ(il_remote_worker_serve(&w), -EINVAL);
	o.heartbeat = w.heartbeat = -1;
	CHECK_EQ(il_remote_pool_create(&ex, &o), -EINVAL);
	CHECK_EQ(il_remote_worker_serve(&w), -EINVAL);
	w = (il_remote_worker_options){
	    .servers = far, .server_count = 1, .names = odd, .name_count = 1};
	CHECK_EQ(il_remote_worker_serve(&w), -EINVAL);
	CHECK(strstr(il_error_detail(), "nowhere") != NULL);
	CHECK_EQ(il_thread_pool_create(&threads, NULL), 0);
	CHECK_EQ(il_remote_pool_get_statistics(threads, &s), -EINVAL);
	il_executor_destroy(threads);
	printf("options\n");
}

void test_all(void)
{
	struct server server;
	server_start(&server, 1);
	const char *address = server.address, *servers[] = {address};
	il_remote_pool_options o = pool_options(servers, 1);
	il_executor *ex;
	pid_t first, second;

	o.max_size = 2 << 20;
	refuse_options();
	cancel_many();
	ex = pool_with(&o);
	unserved(address);
	no_server();
	no_descriptors();
	stopped_without_signals();
	copy_once();
	cancel_queued(address);
	shut_down_and_cancel(address);
	first = worker_start(address, "all=1");
	plain_calls(ex);
	counted(address);
	oversize(ex);
	large(address);
	drain(ex, first);
	second = drain_in_a_soak(ex, address);
	lose_worker(ex, second);
	il_executor_destroy(ex);
	server_stop(&server);
}
