/*
 * namespaces.c: a worker program, or a job server, on another machine, as it were: in a network namespace, whose link is cut while calls
 * of 10 ms run, for a while and forever. Only what the machine can make is tested: it needs root, `ip` and `setpriv`.
 *
 *     remote-namespaces [CUTS OF EACH KIND]
 */
#include "support.h"

enum { CALLS = 60, BEAT = 300 };

#define HERE  "10.213.7.1"
#define THERE "10.213.7.2"

static char space[32], link_here[16], worker_options[64];
static struct note notes[CALLS];
static il_future *futures[CALLS];

static long cuts(long few)
{
	return test_count ? test_count : few;
}

static int shell(const char *format, const char *a, const char *b)
{
	char command[256];

	snprintf(command, sizeof command, format, a, b);
	return system(command);
}

static bool make_space(void)
{
	snprintf(space, sizeof space, "il-%d", (int)getpid());
	snprintf(link_here, sizeof link_here, "il%d", (int)getpid());
	snprintf(worker_options, sizeof worker_options, "slots=2 insecure=1 beat=%d", BEAT);
	if (shell("ip netns add %s 2>/dev/null%s", space, "") != 0)
		return false;
	return shell("ip link add %s type veth peer name there netns %s 2>/dev/null", link_here,
		     space) == 0 &&
	       shell("ip addr add " HERE "/30 dev %s && ip link set %s up", link_here, link_here) ==
		   0 &&
	       shell("ip -n %s addr add " THERE "/30 dev there && ip -n %s link set there up",
		     space, space) == 0 &&
	       shell("ip -n %s link set lo up && command -v setpriv >/dev/null%s", space, "") == 0;
}

static void remove_space(void)
{
	shell("ip link del %s 2>/dev/null; ip netns del %s 2>/dev/null", link_here, space);
}

static void cut_link(void)
{
	shell("ip link set %s down%s", link_here, "");
}

static void mend_link(void)
{
	shell("ip link set %s up%s", link_here, "");
}

static pid_t worker_start_there(const char *servers)
{
	return program_start((char *[]){"ip", "netns", "exec", space, test_self, "worker",
					(char *)(uintptr_t)servers, worker_options, NULL});
}

static void server_start_there(struct server *s)
{
	*s = (struct server){
	    .host = THERE, .port = "4730", .address = THERE ":4730", .space = space};
	server_again(s, 1);
}

static il_remote_pool_options options_for(const char *const *servers, size_t count, int resubmits)
{
	il_remote_pool_options o = pool_options(servers, count);

	o.insecure = true;
	o.resubmits = resubmits;
	o.heartbeat = IL_MSEC(BEAT);
	return o;
}

/* The link is cut while these run. */
static void begin_calls_and_cut(il_executor *ex)
{
	journal_open();
	for (int i = 0; i < CALLS; i++) {
		notes[i] = (struct note){i, 10};
		CHECK_EQ(il_executor_submit(ex, &futures[i], note, &notes[i], sizeof notes[i]), 0);
	}
	UNTIL(journal_count(-1) >= CALLS / 3);
	cut_link();
}

/* Noticed after three beats; by when where nothing else runs virtual.c says. How many were lost. */
static int end_calls(double begin, const char *whose)
{
	int lost = 0;
	double took;

	for (int i = 0; i < CALLS; i++) {
		int rc = until_done(futures[i]);
		CHECK(rc == i || rc == -EOWNERDEAD);
		lost += rc < 0;
	}
	took = seconds() - begin;
	CHECK(took < 3 * BEAT / 1e3 + PATIENCE);
	printf("the cut link of %s is noticed after %.2f s: %d of %d calls lost, %d run twice\n",
	       whose, took, lost, CALLS, journal_twice(CALLS));
	return lost;
}

static void wait_since(double begin, double time)
{
	while (seconds() < begin + time)
		usleep(10000);
}

/* ---- between the server and a worker program ---- */

/* Calls by both workers; those over there are lost after three beats, and run here. */
static void cut_worker(struct server *server, il_executor *ex, double back_after)
{
	pid_t there = worker_start_there(server->address);
	long late = (long)statistics_of(ex, 0).late;
	double begin;

	while (il_executor_run(ex, program, NULL, 0) != there) /* it has calls when it is cut */
		;
	begin_calls_and_cut(ex);
	begin = seconds();
	CHECK_EQ(end_calls(begin, "a worker"), 0);
	CHECK(statistics_of(ex, 0).connected);
	wait_since(begin, back_after);
	late = (long)statistics_of(ex, 0).late -
	       late; /* the worker here had no processor for three beats */
	CHECK(journal_twice(CALLS) <= 2 + late); /* what ran there at the cut */
	mend_link();
	if (back_after > 0)
		CHECK_EQ(worker_stop(there), 0);
	else
		worker_kill(there);
}

static void cut_workers(void)
{
	struct server server;
	server_start_at(&server, HERE, 1);
	const char *servers[] = {server.address};
	il_remote_pool_options o = options_for(servers, 1, 3);
	il_executor *ex = pool_with(&o);
	pid_t here;

	journal_open();
	here = worker_start(server.address, worker_options);
	for (long i = 0; i < cuts(1); i++)
		cut_worker(&server, ex, test_count ? 8 : 2);
	for (long i = 0; i < cuts(2); i++)
		cut_worker(&server, ex, 0);
	il_executor_destroy(ex);
	worker_kill(here);
	server_stop(&server);
}

/* ---- between the pool and a server ---- */

/* With its worker program the server runs what it has got: so what is sent again may run twice, and nothing else does. The server is
 * new each time, for it keeps the calls of a caller whose end it has not noticed. */
static void cut_client(const struct server *near, int resubmits)
{
	struct server far;
	server_start_there(&far);
	const char *servers[] = {far.address, near->address};
	il_remote_pool_options o = options_for(servers, resubmits ? 2 : 1, resubmits);
	il_executor *ex = pool_with(&o);
	pid_t there = worker_start_there(far.address);
	struct note again = {CALLS, 0};
	double begin;
	int failed;
	long lost;

	UNTIL(statistics_of(ex, 0).connected);
	UNTIL(!resubmits || statistics_of(ex, 1).connected);
	begin_calls_and_cut(ex);
	begin = seconds();
	failed = end_calls(begin, "the caller");
	lost = (long)statistics_of(ex, 0).lost;
	CHECK(lost > 0);
	CHECK_EQ(failed, resubmits ? 0 : lost);
	CHECK(journal_twice(CALLS) <= (resubmits ? lost : 0));
	mend_link();
	UNTIL(statistics_of(ex, 0).connected);
	CHECK_EQ(il_executor_run(ex, note, &again, sizeof again), CALLS);
	il_executor_destroy(ex);
	worker_kill(there);
	server_stop(&far);
}

static void cut_clients(void)
{
	struct server near;
	pid_t here;

	server_start_at(&near, HERE, 1);
	journal_open();
	here = worker_start(near.address, worker_options);
	for (long i = 0; i < cuts(2); i++)
		cut_client(&near, 3);
	for (long i = 0; i < cuts(1); i++)
		cut_client(&near, 0);
	worker_kill(here);
	server_stop(&near);
}

/* ---- between a server and all others ---- */

static void run_there(const struct server *far)
{
	const char *servers[] = {far->address};
	il_remote_pool_options o = options_for(servers, 1, 0);
	struct note again = {CALLS, 0};
	il_executor *ex = pool_with(&o);

	CHECK_EQ(il_executor_run(ex, note, &again, sizeof again), CALLS);
	il_executor_destroy(ex);
}

static void cut_server(const struct server *near)
{
	struct server far;
	server_start_there(&far);
	const char *servers[] = {far.address, near->address};
	il_remote_pool_options o = options_for(servers, 2, 3);
	il_executor *ex = pool_with(&o);
	double begin;

	UNTIL(statistics_of(ex, 0).connected && statistics_of(ex, 1).connected);
	begin_calls_and_cut(ex);
	begin = seconds();
	CHECK_EQ(end_calls(begin, "a server"), 0);
	CHECK(journal_twice(CALLS) <= (long)statistics_of(ex, 0).lost);
	CHECK_EQ((long)statistics_of(ex, 1).lost, 0);
	mend_link();
	il_executor_destroy(ex);
	run_there(&far); /* by a worker program that has found it again */
	server_stop(&far);
}

/* One worker program at two servers. */
static void cut_servers(void)
{
	struct server near;
	char list[160];
	pid_t worker;

	server_start_at(&near, HERE, 1);
	snprintf(list, sizeof list, "%s," THERE ":4730", near.address);
	journal_open();
	worker = worker_start(list, worker_options);
	for (long i = 0; i < cuts(2); i++)
		cut_server(&near);
	CHECK_EQ(worker_stop(worker), 0);
	server_stop(&near);
}

void test_all(void)
{
	if (make_space()) {
		cut_workers();
		cut_clients();
		cut_servers();
	} else {
		test_skipped("cut links: no network namespace can be made here");
	}
	remove_space();
}
