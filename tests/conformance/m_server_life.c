/*
 * m_server_life.c: serving: one at a time and again, in a task or in a thread of its own; and what ends it,
 * also while it is being set up.
 */
#include "m_server.h"
#include "objects.h"
#include "slow_names.h"

/* ---- 229: one at a time, and again ---- */

IL_TEST_REAL(M, n229_serving_twice_is_busy_and_a_closed_server_serves_no_more)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	CHECK_RC(il_server_serve(s.server), -EBUSY);
	c = dial(&s);
	CHECK_ASK(c, "still here", "still here");
	il_stream_destroy(c);
	UNTIL(v.disconnected == 1);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(il_server_serve(s.server), -EBADF);
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n229_a_server_runs_three_times_on_its_port)
{
	struct visits v = {0};
	struct service s;
	uint16_t port;

	service_lines(&s, &echo_handler, &v);
	port = il_server_port(s.server);
	for (int round = 1; round <= 3; round++) {
		il_stream *c = dial_port(port);
		CHECK_ASK(c, "hello", "hello");
		CHECK_RC(il_server_shutdown(s.server), 0);
		CHECK_RC(service_result(&s), 0);
		check_gone(c);
		check_refused(port);
		CHECK_EQ(v.disconnected, round);
		CHECK_EQ(il_server_port(s.server), port);
		service_run(&s);
	}
	service_end(&s);
}

static int open_echo(void *arg)
{
	struct service *s = arg;

	return il_tcp_server_open(&s->server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				  &s->visits, NULL);
}

/* A whole round as the main of a run. */
static int serve_one_client(void *arg)
{
	struct service *s = arg;
	il_stream *c;

	service_run(s);
	c = dial(s);
	CHECK_ASK(c, "hello", "hello");
	CHECK_RC(il_server_shutdown(s->server), 0);
	CHECK_RC(service_result(s), 0);
	check_gone(c);
	return 0;
}

IL_TEST_OWN_REAL(M, n229_a_server_outlives_the_runs_of_its_loop)
{
	struct service s = {0};
	il_loop *loop = NULL;

	CHECK_RC(il_loop_open(&loop, il_test_backend(), NULL), 0);
	CHECK_RC(il_loop_run(loop, open_echo, &s), 0);
	for (int round = 1; round <= 3; round++) {
		CHECK_RC(il_loop_run(loop, serve_one_client, &s), 0);
		CHECK_EQ(s.visits.disconnected, round);
	}
	CHECK_RC(il_loop_close(loop), 0);
	il_server_destroy(s.server);
	il_loop_destroy(loop);
}

/* ---- 229: a server with a thread of its own ---- */

static int open_for_thread(il_server **server, void *arg)
{
	return il_tcp_server_open(server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler, arg,
				  NULL);
}

static int open_none(il_server **server, void *arg)
{
	(void)server;
	(void)arg;
	return 0;
}

static int fail_to_open(il_server **server, void *arg)
{
	(void)server;
	return *(int *)arg;
}

static int open_and_fail(il_server **server, void *arg)
{
	CHECK_RC(open_for_thread(server, arg), 0);
	return il_fail(-EDOM, "what else is to be done");
}

IL_TEST_OWN_REAL(M, n229_a_server_thread_that_fails_to_open_leaves_no_server)
{
	il_server_thread *t = NULL;
	struct visits v = {0};

	CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, open_and_fail, &v), -EDOM);
	CHECK_DETAIL("what else is to be done");
}

IL_TEST_OWN_REAL(M, n229_a_server_thread_is_started_and_stopped_three_times)
{
	il_server_thread *t = NULL;
	int rc = -EDOM;

	for (int round = 0; round < 3; round++) {
		struct visits v = {0};
		CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, open_for_thread, &v),
			 0);
		int fd = plain_connect(il_server_thread_port(t));
		plain_ask(fd, "hello\n", "hello");
		CHECK_RC(il_server_thread_wait(t, 0), -ETIMEDOUT);
		CHECK_RC(il_server_thread_stop(t), 0);
		CHECK_EQ(v.disconnected, 1);
		close(fd);
	}
	CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, fail_to_open, &rc), -EDOM);
	CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, open_none, NULL), -EINVAL);
	CHECK_RC(il_server_thread_start(&t, NULL, NULL, fail_to_open, &rc), -ENOENT);
}

IL_TEST_REAL(M, n229_a_server_thread_is_used_from_a_task)
{
	il_server_thread *t = NULL;
	struct visits v = {0};
	il_stream *c;

	CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, open_for_thread, &v), 0);
	c = dial_port(il_server_thread_port(t));
	CHECK_ASK(c, "hello", "hello");
	CHECK_RC(il_server_thread_stop(t), 0);
	check_gone(c);
}

static int end_it(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	return rc <= 0 ? rc : il_server_shutdown(il_client_server(client));
}

static int open_ending(il_server **server, void *arg)
{
	const il_handler h = handler_with(end_it);

	return il_tcp_server_open(server, "127.0.0.1", "0", il_protocol_lines(), &h, arg, NULL);
}

static int side_wait_thread(void *arg)
{
	struct side *s = arg;

	return il_server_thread_wait(s->object, IL_FOREVER);
}

static int stop_thread(void *thread)
{
	return il_server_thread_stop(thread);
}

/* Whoever waits is told, however late it comes to run. */
IL_TEST_REAL(M, n229_a_server_thread_may_be_stopped_while_others_wait_for_it)
{
	il_server_thread *t = NULL;
	struct visits v = {0};
	struct il_test_thread stopper;
	struct side waiter;

	CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, open_for_thread, &v), 0);
	side_start(&waiter, side_wait_thread, t);
	il_test_thread_start(&stopper, stop_thread, t);
	UNTIL_THREAD(atomic_load(&stopper.ended)); /* this loop stands still */
	CHECK_RC(il_test_thread_join(&stopper), 0);
	CHECK_RC(side_join(&waiter), 0);
}

IL_TEST_OWN_REAL(M, n229_a_server_thread_waits_for_a_server_that_ends_by_itself)
{
	il_server_thread *t = NULL;
	struct visits v = {0};
	int fd;

	CHECK_RC(il_server_thread_start(&t, il_test_backend(), NULL, open_ending, &v), 0);
	fd = plain_connect(il_server_thread_port(t));
	plain_ask(fd, "end\n", "");
	CHECK_RC(il_server_thread_wait(t, il_test_patience()), 0);
	CHECK_RC(il_server_thread_stop(t), 0);
	CHECK_EQ(v.disconnected, 1);
	close(fd);
}

/* ---- 230: shutdown ---- */

IL_TEST_REAL(M, n230_shutdown_of_a_server_that_does_not_serve_returns_at_once)
{
	struct service s = {0};

	CHECK_RC(open_echo(&s), 0);
	CHECK_RC(il_server_shutdown(s.server), 0);
	service_run(&s);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(il_server_shutdown(s.server), 0);
	il_server_destroy(s.server);
}

/* Ten tasks that all shut the server down; each returns when it has ended. */
static void shut_down_by_ten(struct service *s)
{
	il_time start = il_now();
	il_group g;

	CHECK_RC(il_group_open(&g), 0);
	for (int i = 0; i < 10; i++)
		CHECK_RC(il_group_start_soon(&g, NULL, shut_down, s->server), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK(il_now() - start < il_test_patience());
	CHECK(il_future_done(s->serving));
}

IL_TEST_REAL(M, n230_ten_at_once_shut_a_server_down)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	shut_down_by_ten(&s);
	CHECK_RC(service_result(&s), 0);
	check_gone(c);
	il_server_destroy(s.server);
}

/* A service_init that waits until it is given up. */
static int init_for_ever(il_exit_stack *stack, il_server *server, void *data)
{
	struct visits *v = data;

	(void)stack;
	(void)server;
	v->handled++;
	v->last = il_sleep_forever();
	return v->last;
}

/* A server whose set-up lasts; its task has begun. */
static void start_slowly(struct service *s, const il_server_options *options)
{
	il_handler h = echo_handler;

	h.service_init = init_for_ever;
	CHECK_RC(il_tcp_server_open(&s->server, "127.0.0.1", "0", il_protocol_lines(), &h,
				    &s->visits, options),
		 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &s->serving, serve, s->server), 0);
	UNTIL(s->visits.handled == 1);
}

IL_TEST_REAL(M, n230_shutdown_stops_a_set_up_and_the_server_is_never_up)
{
	struct service s = {0};
	il_event *up = new_event();
	il_time start;

	start_slowly(&s, &(il_server_options){.is_up = up});
	CHECK(!il_server_is_serving(s.server));
	start = il_now();
	shut_down_by_ten(&s);
	CHECK(il_now() - start < IL_SEC(1) + il_test_patience());
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(s.visits.last, -ECANCELED);
	CHECK(!il_event_is_set(up));
	check_refused(il_server_port(s.server));
	il_server_destroy(s.server);
	il_event_destroy(up);
}

IL_TEST_REAL(M, n230_a_server_says_when_it_is_up)
{
	struct service s = {0};
	il_event *up = new_event();
	il_stream *c;
	il_server_options options = {.max_clients = 0};

	options.is_up = up;
	CHECK_RC(il_tcp_server_open(&s.server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler,
				    &s.visits, &options),
		 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &s.serving, serve, s.server), 0);
	CHECK(!il_event_is_set(up));
	CHECK_RC(il_event_wait(up), 0);
	CHECK(il_server_is_serving(s.server));
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	il_stream_destroy(c);
	service_end(&s);
	il_event_destroy(up);
}

static int shut_down_in_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct visits *v = data;

	(void)stack;
	CHECK_RC(il_server_shutdown(server), 0);
	v->last = il_sleep_forever();
	return 0;
}

IL_TEST_REAL(M, n230_service_init_itself_may_shut_down)
{
	il_handler h = echo_handler;
	struct visits v = {0};
	il_server *server = NULL;

	h.service_init = shut_down_in_init;
	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, &v, NULL),
		 0);
	CHECK_RC(il_server_serve(server), 0);
	CHECK_RC(v.last, -ECANCELED);
	check_refused(il_server_port(server));
	il_server_destroy(server);
}

IL_TEST_REAL(M, n230_a_cancelled_shutdown_goes_on)
{
	struct visits v = {0};
	struct service s;
	il_scope scope = IL_SCOPE_INIT;

	service_lines(&s, &echo_handler, &v);
	CHECK_RC(il_scope_enter(&scope, 0, 0), 0);
	CHECK_RC(il_server_shutdown(s.server), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK_RC(service_result(&s), 0);
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n230_cancelling_the_serving_task_ends_the_server)
{
	struct service s = {0};
	il_group g;
	il_stream *c;

	CHECK_RC(open_echo(&s), 0);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, &s.serving, serve, s.server), 0);
	UNTIL(il_server_is_serving(s.server));
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	CHECK_RC(il_scope_cancel(il_group_scope(&g)), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	CHECK_RC(service_result(&s), -ECANCELED);
	CHECK_RC(s.visits.last, -ECANCELED);
	CHECK_EQ(s.visits.disconnected, 1);
	check_gone(c);
	service_run(&s);
	service_end(&s);
}

/* ---- 231: closing ---- */

IL_TEST_REAL(M, n231_closing_three_times_is_fine)
{
	struct service s = {0};
	uint16_t port;

	CHECK_RC(open_echo(&s), 0);
	port = il_server_port(s.server);
	for (int i = 0; i < 3; i++) {
		CHECK_RC(il_server_close(s.server), 0);
		check_refused(port);
	}
	CHECK_RC(il_server_add_tcp(s.server, "127.0.0.1", "0"), -EBADF);
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n231_a_closed_server_without_clients_ends_by_itself)
{
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK(!il_server_is_serving(s.server));
	CHECK_RC(service_result(&s), 0);
	il_server_destroy(s.server);
}

static int note_run(void *ran)
{
	*(bool *)ran = true;
	return 0;
}

IL_TEST_REAL(M, n231_closing_in_an_expired_scope_frees_the_listeners)
{
	struct visits v = {0};
	struct service s;
	il_scope scope = IL_SCOPE_INIT;
	bool ran = false;
	il_group g;
	uint16_t port;

	service_lines(&s, &echo_handler, &v);
	port = il_server_port(s.server);
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, note_run, &ran), 0);
	CHECK_RC(il_scope_enter(&scope, 0, 0), 0);
	CHECK_RC(il_server_close(s.server), -ECANCELED);
	CHECK(!ran); /* it never waits */
	CHECK_RC(il_scope_exit(&scope, -ECANCELED), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	check_refused(port);
	CHECK_RC(service_result(&s), 0);
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n231_closing_during_set_up_ends_it)
{
	struct service s = {0};

	start_slowly(&s, NULL);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(service_result(&s), -EBADF);
	CHECK_RC(s.visits.last, -ECANCELED);
	il_server_destroy(s.server);
}

static int close_in_init(il_exit_stack *stack, il_server *server, void *data)
{
	(void)stack;
	(void)data;
	CHECK_RC(il_server_close(server), 0);
	CHECK_RC(il_check_cancelled(), -ECANCELED);
	return il_server_close(server) == -ECANCELED ? 0 : -EPROTO;
}

IL_TEST_REAL(M, n231_service_init_itself_may_close)
{
	il_handler h = echo_handler;
	struct visits v = {0};
	il_server *server = NULL;

	h.service_init = close_in_init;
	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, &v, NULL),
		 0);
	CHECK_RC(il_server_serve(server), -EBADF);
	il_server_destroy(server);
}

/* The second round looks the name up again, so its set-up begins with a wait. */
IL_TEST_REAL(M, n231_closing_while_a_name_is_looked_up_ends_the_set_up)
{
	il_address any;
	struct visits v = {0};
	struct service s = {0};

	if (il_resolve("localhost", "0", 0, &any, 1) < 0)
		return; /* a system without that name */
	CHECK_RC(il_tcp_server_open(&s.server, "localhost", "0", il_protocol_lines(), &echo_handler,
				    &v, NULL),
		 0);
	service_run(&s);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(il_loop_spawn(il_loop_current(), &s.serving, serve, s.server), 0);
	CHECK_RC(il_yield(), 0);
	CHECK_RC(il_server_serve(s.server), -EBUSY);
	CHECK(!il_server_is_serving(s.server));
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(service_result(&s), -EBADF);
	il_server_destroy(s.server);
}

/* ---- what happens to a server while an address is looked up for it ---- */

static int add_slow(void *arg)
{
	struct side *s = arg;

	return il_server_add_tcp(s->object, "slow.test", "0");
}

/* Begins the lookup, which waits for slow_go. */
static void add_slowly(struct side *s, il_server *server)
{
	slow_names();
	side_start(s, add_slow, server);
	UNTIL(sem_trywait(&slow_begun) == 0);
}

static int end_adding(struct side *s)
{
	sem_post(&slow_go);
	return side_join(s);
}

IL_TEST_REAL(M, an_address_is_not_added_to_a_server_that_has_gone_meanwhile)
{
	struct service s = {0};
	struct side adder;

	CHECK_RC(open_echo(&s), 0);
	add_slowly(&adder, s.server);
	il_server_destroy(s.server);
	CHECK_RC(end_adding(&adder), -EBADF);
}

IL_TEST_REAL(M, an_address_is_not_added_to_a_server_that_is_closed_or_serves_meanwhile)
{
	struct service s = {0};
	struct side adder;

	CHECK_RC(open_echo(&s), 0);
	add_slowly(&adder, s.server);
	service_run(&s);
	CHECK_RC(end_adding(&adder), -EBUSY);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	add_slowly(&adder, s.server);
	CHECK_RC(il_server_close(s.server), 0);
	CHECK_RC(end_adding(&adder), -EBADF);
	il_server_destroy(s.server);
}
