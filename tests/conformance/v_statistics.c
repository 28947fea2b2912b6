/*
 * v_statistics.c: the numbers of loops, executors and servers are exact after counted work, and can be had while it
 * is under way.
 */
#define _GNU_SOURCE
#include "aside.h"
#include "processes.h"
#include "r_server.h"
#include "v_options.h"
#include "waits.h"
#include "workers.h"

/* ---- loops ---- */

static il_loop_statistics loop_statistics(void)
{
	il_loop_statistics s;

	CHECK_RC(il_loop_get_statistics(il_loop_current(), &s), 0);
	return s;
}

IL_TEST(V, n419_tasks_and_those_that_could_run_are_counted)
{
	il_loop_statistics before = loop_statistics();
	il_event *event = NULL;
	il_future *f = NULL;
	il_group g;

	CHECK_RC(il_event_create(&event), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &f, wait_event, event), 0);
	CHECK_EQ(loop_statistics().tasks, before.tasks + 1);
	CHECK_EQ(loop_statistics().ready, before.ready + 1);
	UNTIL(loop_statistics().ready == before.ready);
	CHECK(il_future_cancel(f));
	CHECK_EQ(loop_statistics().ready, before.ready + 1);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_EQ(loop_statistics().tasks, before.tasks);
	il_future_unref(f);
	il_event_destroy(event);
}

static int count_call(void *count)
{
	++*(int *)count;
	return 0;
}

IL_TEST(V, n419_posted_calls_that_have_not_run_are_the_queue)
{
	il_portal *p = il_test_portal();
	int count = 0;

	CHECK_EQ(loop_statistics().queue, 0);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, count_call, &count), 0);
	CHECK_RC(il_portal_run_sync_soon(p, NULL, count_call, &count), 0);
	CHECK_EQ(loop_statistics().queue, 2);
	CHECK_RC(il_portal_close(p), 0);
	CHECK_EQ(count, 2);
	CHECK_EQ(loop_statistics().queue, 0);
}

static int post_uncounted(void *unused)
{
	il_portal *p = il_test_portal();
	int count = 0;

	(void)unused;
	CHECK_RC(il_portal_run_sync_soon(p, NULL, count_call, &count), 0);
	CHECK_EQ(loop_statistics().queue, 0);
	CHECK_RC(il_portal_close(p), 0);
	CHECK_EQ(count, 1);
	return 0;
}

IL_TEST_OPTIONS(n419_without_a_limit_posted_calls_are_not_counted, post_uncounted,
		.queue_limit = SIZE_MAX);

IL_TEST(V, n419_the_next_deadline_is_that_of_a_scope)
{
	il_loop_statistics before = loop_statistics();
	il_time until = il_now() + IL_SEC(5);
	il_scope scope = IL_SCOPE_INIT;

	CHECK(before.next_deadline == IL_FOREVER || before.next_deadline > until);
	CHECK_RC(il_scope_enter(&scope, until, 0), 0);
	CHECK_EQ(loop_statistics().next_deadline, until);
	CHECK_EQ(loop_statistics().timers, before.timers + 1);
	CHECK_RC(il_scope_exit(&scope, 0), 0);
	CHECK_EQ(loop_statistics().next_deadline, before.next_deadline);
}

IL_TEST(V, n419_descriptors_that_are_waited_for_are_counted)
{
	il_loop_statistics before = loop_statistics();
	il_group g;
	int fd[2];

	CHECK_EQ(pipe(fd), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, wait_readable, &fd[0]), 0);
	UNTIL(loop_statistics().descriptors == before.descriptors + 1);
	close(fd[1]);
	CHECK(il_group_close(&g, 0) >= 0);
	close(fd[0]);
}

IL_TEST(V, turns_are_counted_and_the_longest_is_known)
{
	il_loop_statistics before = loop_statistics();
	const struct timespec busy = {.tv_nsec = 30000000};

	CHECK(before.turns > 0);
	nanosleep(&busy, NULL);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0);
	CHECK(loop_statistics().turns > before.turns);
	CHECK(loop_statistics().longest_turn >= IL_MSEC(30));
}

static int ask_elsewhere(void *loop)
{
	il_loop_statistics s;

	CHECK_RC(il_loop_get_statistics(loop, &s), -EPERM);
	return 0;
}

IL_TEST(V, the_statistics_of_a_loop_are_had_in_its_thread_only)
{
	il_loop_statistics s;

	CHECK_RC(il_test_aside(ask_elsewhere, il_loop_current()), 0);
	CHECK_RC(il_loop_get_statistics(NULL, &s), -EINVAL);
	CHECK_RC(il_loop_get_statistics(il_loop_current(), NULL), -EINVAL);
}

/* ---- executors ---- */

static il_executor_statistics executor_statistics(il_executor *ex)
{
	il_executor_statistics s;

	CHECK_RC(il_executor_get_statistics(ex, &s), 0);
	CHECK_EQ(s.submitted, s.queued + s.running + s.completed + s.failed + s.cancelled);
	return s;
}

enum { JOBS = 60 };

IL_TEST_CORE(V, n420_sixty_jobs_on_four_workers)
{
	struct gate g = {.result = 0};
	il_executor *ex = new_pool(4);
	il_future *f[JOBS];
	il_executor_statistics s;

	for (int i = 0; i < JOBS; i++)
		f[i] = submitted(ex, stay, &g);
	UNTIL(atomic_load(&g.begun) == 4);
	s = executor_statistics(ex);
	CHECK_EQ(s.running, 4);
	CHECK_EQ(s.queued, JOBS - 4);
	CHECK_EQ(s.submitted, JOBS);
	atomic_store(&g.open, true);
	for (int i = 0; i < JOBS; i++)
		CHECK_RC(finished(f[i]), 0);
	s = executor_statistics(ex);
	CHECK_EQ(s.completed, JOBS);
	UNTIL(executor_statistics(ex).idle == 4);
	il_executor_ref(ex);
	il_executor_destroy(ex);
	s = executor_statistics(ex);
	CHECK_EQ(s.workers, 0);
	CHECK_EQ(s.completed, JOBS);
	CHECK_EQ(s.submitted, JOBS);
	il_executor_unref(ex);
}

static int fail(void *arg)
{
	(void)arg;
	return -EIO;
}

IL_TEST_CORE(V, n420_failures_and_cancellations_are_told_apart)
{
	struct gate g = {.result = 0};
	il_executor *ex = new_pool(1);
	il_future *busy = occupy(ex, &g), *failed = submitted(ex, fail, NULL);
	il_future *cancelled = submitted(ex, fail, NULL);
	il_executor_statistics s;

	CHECK(il_future_cancel(cancelled));
	CHECK_EQ(executor_statistics(ex).cancelled, 1);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	CHECK_RC(finished(failed), -EIO);
	CHECK_RC(finished(cancelled), -ECANCELED);
	s = executor_statistics(ex);
	CHECK_EQ(s.completed, 1);
	CHECK_EQ(s.failed, 1);
	CHECK_EQ(s.cancelled, 1);
	il_executor_destroy(ex);
}

IL_TEST_CORE(V, n420_the_longest_wait_in_the_queue_is_known)
{
	struct gate g = {.result = 0};
	il_executor *ex = new_pool(1);
	il_future *busy = occupy(ex, &g), *waits = submitted(ex, stay, &g);
	const struct timespec a_while = {.tv_nsec = 50000000};

	nanosleep(&a_while, NULL);
	atomic_store(&g.open, true);
	CHECK_RC(finished(busy), 0);
	CHECK_RC(finished(waits), 0);
	CHECK(executor_statistics(ex).longest_wait >= IL_MSEC(30));
	il_executor_destroy(ex);
}

IL_TEST_CORE(V, n420_what_cannot_be_counted_is_refused)
{
	il_executor_statistics s;
	il_executor *ex = new_pool(1);

	CHECK_RC(il_executor_get_statistics(NULL, &s), -EINVAL);
	CHECK_RC(il_executor_get_statistics(ex, NULL), -EINVAL);
	il_executor_destroy(ex);
}

static int keep_call(void *self, il_call *call)
{
	*(il_call **)self = call;
	return 0;
}

static bool take_back(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return true;
}

static int refuse_call(void *self, il_call *call)
{
	(void)self;
	(void)call;
	return -EBUSY;
}

static int look_at_itself(void *ex)
{
	CHECK_EQ(executor_statistics(ex).running, 1);
	return 0;
}

IL_TEST_CORE(V, n420_of_an_executor_of_ones_own_the_calls_are_known)
{
	const il_executor_ops ops = {.name = "ours", .submit = keep_call, .withdraw = take_back};
	const il_executor_ops none = {.name = "none", .submit = refuse_call};
	il_call *call = NULL;
	il_executor *ex = NULL, *busy = NULL;
	il_future *f;

	CHECK_RC(il_executor_create(&ex, &ops, &call), 0);
	f = submitted(ex, fail, NULL);
	CHECK_EQ(executor_statistics(ex).queued, 1);
	il_call_run(call);
	CHECK_RC(finished(f), -EIO);
	f = submitted(ex, look_at_itself, ex);
	il_call_run(call);
	CHECK_RC(finished(f), 0);
	f = submitted(ex, fail, NULL);
	CHECK(il_future_cancel(f));
	CHECK_RC(finished(f), -ECANCELED);
	CHECK_EQ(executor_statistics(ex).submitted, 3);
	CHECK_EQ(executor_statistics(ex).failed, 1);
	CHECK_EQ(executor_statistics(ex).completed, 1);
	CHECK_EQ(executor_statistics(ex).cancelled, 1);
	il_executor_destroy(ex);
	CHECK_RC(il_executor_create(&busy, &none, NULL), 0);
	CHECK_RC(il_executor_submit(busy, NULL, fail, NULL, 0), -EBUSY);
	CHECK_EQ(executor_statistics(busy).submitted, 0);
	il_executor_destroy(busy);
}

static int die_at_once(void *arg)
{
	(void)arg;
	_exit(3);
}

IL_TEST_CORE(V, n420_processes_are_counted_and_their_deaths)
{
	il_executor *ex = new_processes((il_process_pool_options){.max_workers = 1});
	struct job j = job_on(NULL, 7);
	il_executor_statistics s;

	CHECK_RC(end_of(submit_job(ex, square, &j)), 7);
	s = executor_statistics(ex);
	CHECK_EQ(s.completed, 1);
	CHECK_EQ(s.workers, 1);
	CHECK_EQ(s.idle, 1);
	CHECK_RC(end_of(submit_job(ex, die_at_once, &j)), -EOWNERDEAD);
	s = executor_statistics(ex);
	CHECK_EQ(s.failed, 1);
	CHECK_EQ(s.worker_deaths, 1);
	CHECK_EQ(s.running, 0);
	il_executor_destroy(ex);
}

/* ---- servers ---- */

IL_TEST_REAL(V, n421_packets_and_bytes_of_a_server_are_exact)
{
	struct service s;
	il_server_statistics st;
	il_stream *one, *two;

	service_lines(&s, &(il_handler){.handle = plain_echo}, NULL);
	one = dial(&s);
	two = dial(&s);
	for (int i = 0; i < 10; i++) {
		CHECK_ASK(one, "hello", "hello");
		CHECK_ASK(two, "a longer one", "a longer one");
	}
	CHECK_RC(il_server_get_statistics(s.server, &st), 0);
	CHECK_EQ(st.clients, 2);
	CHECK_EQ(st.clients_total, 2);
	CHECK_EQ(st.packets_received, 20);
	CHECK_EQ(st.packets_sent, 20);
	CHECK_EQ(st.bytes_received, 10 * (6 + 13));
	CHECK_EQ(st.bytes_sent, 10 * (6 + 13));
	il_stream_destroy(one);
	il_stream_destroy(two);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_RC(il_server_get_statistics(s.server, &st), 0);
	CHECK_EQ(st.clients_total, 2);
	CHECK_EQ(st.bytes_sent, 10 * (6 + 13));
	CHECK_EQ(st.failed_layers, 0);
	service_end(&s);
}

IL_TEST_REAL(V, n421_packets_and_bytes_of_a_datagram_server_are_exact)
{
	struct service s;
	il_server_statistics st;
	il_datagram *peer;

	peer = udp_start_with_peer(&s, &(il_handler){.handle = plain_echo}, NULL, NULL, NULL);
	for (int i = 0; i < 5; i++)
		UDP_ASK(peer, "ping", "ping");
	st = udp_statistics(&s);
	CHECK_EQ(st.clients, 1);
	CHECK_EQ(st.packets_received, 5);
	CHECK_EQ(st.packets_sent, 5);
	CHECK_EQ(st.bytes_received, 20);
	CHECK_EQ(st.bytes_sent, 20);
	udp_end_with_peer(&s, peer);
}

static int ask_server_elsewhere(void *server)
{
	il_server_statistics st;

	CHECK_RC(il_server_get_statistics(server, &st), -EPERM);
	return 0;
}

struct asked {
	il_server *server;
	il_portal *portal;
	il_server_statistics st;
};

static int ask_server(void *arg)
{
	struct asked *a = arg;

	return il_server_get_statistics(a->server, &a->st);
}

static int ask_server_by_portal(void *arg)
{
	struct asked *a = arg;

	return il_portal_run_sync(a->portal, ask_server, a);
}

IL_TEST_REAL(V, n421_the_statistics_of_a_server_are_had_in_its_loops_thread_or_by_a_portal)
{
	struct service s;
	struct asked a = {.portal = il_test_portal()};
	il_stream *client;

	service_lines(&s, &(il_handler){.handle = plain_echo}, NULL);
	client = dial(&s);
	CHECK_ASK(client, "hello", "hello");
	a.server = s.server;
	CHECK_RC(il_test_aside(ask_server_elsewhere, s.server), 0);
	CHECK_RC(il_test_aside(ask_server_by_portal, &a), 0);
	CHECK_EQ(a.st.packets_sent, 1);
	CHECK_RC(il_server_get_statistics(s.server, NULL), -EINVAL);
	CHECK_RC(il_server_get_statistics(NULL, &a.st), -EINVAL);
	il_stream_destroy(client);
	CHECK_RC(il_portal_close(a.portal), 0);
	service_end(&s);
}

static int refuse_layer(il_stream **stream, il_stream *under, void *self)
{
	(void)stream;
	(void)under;
	(void)self;
	return -EPROTO;
}

IL_TEST_REAL(V, n421_failed_handshakes_are_counted)
{
	struct il_layer layer = {.accept = refuse_layer};
	struct service s;
	il_server_statistics st;

	service_start(&s, &echo_handler, &s.visits, il_protocol_lines(),
		      &(il_server_options){.layer = &layer});
	for (int i = 0; i < 3; i++)
		check_gone(dial(&s));
	CHECK_RC(il_server_get_statistics(s.server, &st), 0);
	CHECK_EQ(st.failed_layers, 3);
	CHECK_EQ(st.clients_total, 3);
	service_end(&s);
}

static int layers_begun;

static int begin_never(il_stream **stream, il_stream *under, void *self)
{
	(void)stream;
	(void)under;
	(void)self;
	layers_begun++;
	return il_sleep_forever();
}

/* They did not fail: the server has ended. */
IL_TEST_REAL(V, n421_handshakes_that_a_shutdown_ends_are_not_counted)
{
	struct il_layer layer = {.accept = begin_never};
	struct service s;
	il_server_statistics st;
	il_stream *silent[2];

	layers_begun = 0;
	service_start(&s, &echo_handler, &s.visits, il_protocol_lines(),
		      &(il_server_options){.layer = &layer, .grace_period = IL_SEC(3600)});
	for (int i = 0; i < 2; i++)
		silent[i] = dial(&s);
	UNTIL(layers_begun == 2);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(il_server_get_statistics(s.server, &st), 0);
	CHECK_EQ(st.failed_layers, 0);
	CHECK_EQ(st.clients_total, 2);
	for (int i = 0; i < 2; i++)
		check_gone(silent[i]);
	il_server_destroy(s.server);
}
