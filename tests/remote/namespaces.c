/*
 * namespaces.c: a worker program on another machine, as it were: in a network namespace, whose link is cut while calls of 10 ms run,
 * for a while and for ever. Only what the machine can make is tested: it needs root and `ip`.
 */
#include "support.h"

#include <sys/wait.h>

enum { CALLS = 60, BEAT = 300 };

#define HERE  "10.213.7.1"
#define THERE "10.213.7.2"

static char space[32], link_here[16];

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
	if (shell("ip netns add %s 2>/dev/null%s", space, "") != 0)
		return false;
	return shell("ip link add %s type veth peer name there netns %s 2>/dev/null", link_here,
		     space) == 0 &&
	       shell("ip addr add " HERE "/30 dev %s && ip link set %s up", link_here, link_here) ==
		   0 &&
	       shell("ip -n %s addr add " THERE "/30 dev there && ip -n %s link set there up",
		     space, space) == 0;
}

static void remove_space(void)
{
	shell("ip link del %s 2>/dev/null; ip netns del %s 2>/dev/null", link_here, space);
}

/* Calls by both workers; the link is cut while they run: those over there are lost after three beats, and run here. */
static void cut(struct server *server, il_executor *ex, double back_after)
{
	char options[64];
	struct note n[CALLS];
	il_future *f[CALLS];
	double begin, took;

	snprintf(options, sizeof options, "slots=2 insecure=1 beat=%d", BEAT);
	pid_t there = program_start((char *[]){"ip", "netns", "exec", space, test_self, "worker",
					       server->address, options, NULL});
	journal_open();
	for (int i = 0; i < CALLS; i++) {
		n[i] = (struct note){i, 10};
		CHECK_EQ(il_executor_submit(ex, &f[i], note, &n[i], sizeof n[i]), 0);
	}
	UNTIL(journal_count(-1) >= CALLS / 3);
	shell("ip link set %s down%s", link_here, "");
	begin = seconds();
	for (int i = 0; i < CALLS; i++)
		CHECK_EQ(until_done(f[i]), i);
	took = seconds() - begin;
	CHECK(took < 3 * BEAT / 1e3 + 1);
	while (seconds() < begin + back_after)
		usleep(10000);
	shell("ip link set %s up%s", link_here, "");
	CHECK(journal_twice(CALLS) <= 2); /* what ran there at the cut */
	if (back_after > 0)
		CHECK_EQ(worker_stop(there), 0);
	else
		worker_kill(there);
	printf("a cut link is noticed after %.2f s\n", took);
}

static void cut_links(void)
{
	struct server server;
	server_start_at(&server, HERE, 1);
	const char *servers[] = {server.address};
	il_remote_pool_options o = pool_options(servers, 1);
	char options[64];
	il_executor *ex;
	pid_t here;

	o.insecure = true;
	o.resubmits = 3;
	o.heartbeat = IL_MSEC(BEAT);
	ex = pool_with(&o);
	snprintf(options, sizeof options, "slots=2 insecure=1 beat=%d", BEAT);
	journal_open();
	here = worker_start(server.address, options);
	cut(&server, ex, 2);
	cut(&server, ex, 0);
	cut(&server, ex, 0);
	il_executor_destroy(ex);
	worker_kill(here);
	server_stop(&server);
}

void test_all(void)
{
	if (make_space())
		cut_links();
	else
		printf("no network namespace can be made here: cut links are not tested\n");
	remove_space();
}
