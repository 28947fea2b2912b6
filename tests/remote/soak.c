/*
 * soak.c: many calls while worker programs and job servers are killed, against a journal of what ran: every call is answered once
 * and rightly, and only what was in flight at a kill may fail, or run twice.
 *
 *     remote-soak [CALLS]
 */
#include "support.h"

#include <math.h>
#include <sys/wait.h>

enum { WINDOW = 64, WORKERS = 2, SLOTS = 2, PREFETCH = 4 };

static const char options[] = "slots=2 prefetch=4";

struct soak {
	struct server servers[2];
	int server_count;
	char list[160];
	pid_t workers[WORKERS];
	bool kills_workers, kills_servers;
	double next_worker, next_server;
	int worker_kills, server_kills;
	struct note notes[WINDOW];
	il_future *futures[WINDOW];
	long lost;
	double stall, last;
	il_executor *ex;
};

/* ---- kills ---- */

static void kill_a_worker(struct soak *s)
{
	int i = s->worker_kills++ % WORKERS;

	worker_kill(s->workers[i]);
	s->workers[i] = worker_spawn(s->list, options);
	s->next_worker = seconds() + 0.25;
}

static void kill_a_server(struct soak *s)
{
	struct server *server = &s->servers[s->server_kills++ % s->server_count];

	server_kill(server);
	server_again(server, 1);
	s->next_server = seconds() + 0.5;
}

static void kill_what_is_due(struct soak *s)
{
	if (s->kills_workers && seconds() > s->next_worker)
		kill_a_worker(s);
	if (s->kills_servers && seconds() > s->next_server)
		kill_a_server(s);
}

/* ---- calls ---- */

static void take_answer(struct soak *s, long i)
{
	int rc = until_done(s->futures[i % WINDOW]);
	double now = seconds();

	if (rc == -EOWNERDEAD)
		s->lost++;
	else
		CHECK_EQ(rc, i);
	if (now - s->last > s->stall)
		s->stall = now - s->last;
	s->last = now;
}

static void make_call(struct soak *s, long i)
{
	s->notes[i % WINDOW] = (struct note){(int)i, 0};
	CHECK_EQ(il_executor_submit(s->ex, &s->futures[i % WINDOW], note, &s->notes[i % WINDOW],
				    sizeof s->notes[0]),
		 0);
}

static void make_calls(struct soak *s)
{
	s->last = seconds();
	s->next_worker = s->next_server = HUGE_VAL;
	for (long i = 0; i < test_count + WINDOW; i++) {
		if (i == test_count / 4) /* however fast they are */
			s->next_worker = s->next_server = s->last;
		if (i >= WINDOW)
			take_answer(s, i - WINDOW);
		if (i < test_count)
			make_call(s, i);
		kill_what_is_due(s);
	}
}

/* ---- */

static void begin(struct soak *s, int servers, int resubmits)
{
	const char *addresses[2] = {s->servers[0].address, s->servers[1].address};
	il_remote_pool_options o = pool_options(addresses, (size_t)servers);

	journal_open();
	s->server_count = servers;
	for (int i = 0; i < servers; i++)
		server_start(&s->servers[i], 1);
	snprintf(s->list, sizeof s->list, "%s%s%s", addresses[0], servers > 1 ? "," : "",
		 servers > 1 ? addresses[1] : "");
	for (int i = 0; i < WORKERS; i++)
		s->workers[i] = worker_start(s->list, options);
	o.resubmits = resubmits;
	s->ex = pool_with(&o);
}

static void finish(struct soak *s, const char *what)
{
	int twice = journal_twice((int)test_count);

	il_executor_destroy(s->ex);
	for (int i = 0; i < WORKERS; i++)
		worker_kill(s->workers[i]);
	for (int i = 0; i < s->server_count; i++)
		server_stop(&s->servers[i]);
	printf("%s: %ld calls, %d kills of workers, %d of servers: %ld lost, %d run twice, longest "
	       "stall "
	       "%.3f s\n",
	       what, test_count, s->worker_kills, s->server_kills, s->lost, twice, s->stall);
}

/* At most once: nothing runs twice, and only what a worker had is lost. */
static void at_most_once(void)
{
	struct soak s = {.kills_workers = true};

	begin(&s, 1, 0);
	make_calls(&s);
	CHECK_EQ(journal_twice((int)test_count), 0);
	CHECK(s.lost <= (long)s.worker_kills * (SLOTS + PREFETCH));
	CHECK(s.worker_kills > 0);
	finish(&s, "at most once");
}

/* At least once: nothing is lost, and only what was in flight runs twice. */
static void at_least_once(void)
{
	struct soak s = {.kills_workers = true, .kills_servers = true};

	begin(&s, 2, 100);
	make_calls(&s);
	CHECK_EQ(s.lost, 0);
	CHECK(journal_count(-1) >= test_count);
	CHECK(journal_twice((int)test_count) <=
	      s.worker_kills * (SLOTS + PREFETCH) + s.server_kills * WORKERS * (SLOTS + PREFETCH));
	CHECK(s.worker_kills > 0 && s.server_kills > 0);
	finish(&s, "at least once");
}

void test_all(void)
{
	if (!test_count)
		test_count = 4000;
	at_most_once();
	at_least_once();
}
