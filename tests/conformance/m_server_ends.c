/*
 * m_server_ends.c: the end of a server: who is served on, who is cancelled, who is waited for, and that
 * everything taken is given back in reverse.
 */
#include "workers.h"

#include "m_server.h"

/* ---- 245: a closed server serves on ---- */

static int close_on_request(il_client *client, void *data)
{
	il_packet p;
	int rc = visit_receive(client, data, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (packet_is(&p, "close"))
		CHECK_RC(il_server_close(il_client_server(client)), 0);
	return il_client_send(client, p.data, p.size);
}

IL_TEST_REAL(M, n245_a_handler_closes_the_server_and_its_clients_are_served_on)
{
	const il_handler h = handler_with(close_on_request);
	struct visits v = {0};
	struct service s;
	il_stream *a, *b;
	uint16_t port;

	service_lines(&s, &h, &v);
	port = il_server_port(s.server);
	a = dial(&s);
	b = dial(&s);
	CHECK_ASK(b, "before", "before");
	CHECK_ASK(a, "close", "close");
	check_refused(port);
	CHECK_ASK(a, "own", "own");
	CHECK_ASK(b, "other", "other");
	il_stream_destroy(a);
	UNTIL(v.disconnected == 1);
	CHECK_ASK(b, "last", "last");
	CHECK(!il_future_done(s.serving));
	il_stream_destroy(b);
	CHECK_RC(service_result(&s), 0);
	CHECK_EQ(v.disconnected, 2);
	il_server_destroy(s.server);
}

/* ---- 246: shutdown ends every handler ---- */

struct shut {
	struct visits v;
	il_time nap;
	int cancelled; /* how often a wait said so */
};

static int nap_on_request(il_client *client, void *data)
{
	struct shut *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc == 1)
		rc = il_sleep(x->nap);
	x->cancelled += rc == -ECANCELED;
	return rc < 0 ? rc : reply(client, "done");
}

IL_TEST_REAL(M, n246_shutdown_cancels_idle_busy_and_new_clients)
{
	const il_handler h = handler_with(nap_on_request);
	struct shut x = {.nap = IL_SEC(3600)};
	struct service s;
	il_stream *idle, *busy, *new_client;
	il_time start;
	int plain;

	service_lines(&s, &h, &x);
	idle = dial(&s);
	busy = dial(&s);
	say(busy, "go\n");
	UNTIL(x.v.handled == 1 && x.v.connected == 2);
	new_client = dial(&s);
	plain = plain_connect(il_server_port(s.server));
	start = il_now();
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK(il_now() - start < IL_SEC(1) + il_test_patience());
	CHECK_RC(service_result(&s), 0);
	CHECK_EQ(x.v.disconnected, x.v.connected);
	CHECK_EQ(x.cancelled, x.v.connected);
	check_gone(idle);
	check_gone(busy);
	check_gone(new_client);
	close(plain);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	il_server_destroy(s.server);
}

static int defy(il_client *client, void *data)
{
	struct shut *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc == 1)
		rc = il_sleep_forever();
	x->cancelled += rc == -ECANCELED;
	return 0;
}

IL_TEST_REAL(M, n246_a_handler_that_ignores_its_cancellation_is_not_called_again)
{
	const il_handler h = handler_with(defy);
	struct shut x = {.cancelled = 0};
	struct service s;
	il_stream *idle, *busy;

	service_lines(&s, &h, &x);
	idle = dial(&s);
	busy = dial(&s);
	say(busy, "go\n");
	UNTIL(x.v.handled == 1 && x.v.connected == 2);
	service_end(&s);
	CHECK_EQ(x.cancelled, 2);
	CHECK_EQ(x.v.disconnected, 2);
	check_gone(idle);
	check_gone(busy);
}

static int shut_down_on_request(il_client *client, void *data)
{
	struct shut *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_server_shutdown(il_client_server(client)), 0);
	rc = il_sleep_forever();
	x->cancelled += rc == -ECANCELED;
	return rc;
}

IL_TEST_REAL(M, n246_a_handler_shuts_its_own_server_down)
{
	const il_handler h = handler_with(shut_down_on_request);
	struct shut x = {.cancelled = 0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &x);
	c = dial(&s);
	say(c, "end\n");
	CHECK_RC(service_result(&s), 0);
	CHECK_EQ(x.cancelled, 1);
	CHECK_EQ(x.v.disconnected, 1);
	check_gone(c);
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n246_within_the_grace_period_handlers_finish)
{
	const il_handler h = handler_with(nap_on_request);
	struct shut x = {.nap = IL_MSEC(30)};
	struct service s;
	il_stream *idle, *busy;

	service_start(&s, &h, &x, il_protocol_lines(),
		      &(il_server_options){.grace_period = IL_SEC(3600)});
	idle = dial(&s);
	busy = dial(&s);
	say(busy, "go\n");
	UNTIL(x.v.handled == 1 && x.v.connected == 2);
	service_end(&s);
	CHECK_EQ(x.cancelled, 0);
	CHECK_HEARS(busy, "done");
	check_gone(busy);
	check_gone(idle);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

struct slow {
	struct visits v;
	il_event *begin;
	bool selects;
};

/* Works before it receives. */
static int receive_late(il_client *client, void *data)
{
	struct slow *l = data;
	il_case c = il_case_client(client);
	il_packet p;
	int rc;

	l->v.handled++;
	rc = il_event_wait(l->begin);
	if (rc == 0 && l->selects)
		rc = il_select(&c, 1, IL_FOREVER);
	if (rc < 0)
		return rc;
	l->v.last = il_client_receive(client, &p, IL_FOREVER);
	return l->v.last <= 0 ? l->v.last : il_client_send(client, p.data, p.size);
}

/* What has come by then is received. */
static void check_late(bool selects, const char *sent, int last)
{
	const il_server_options o = {.grace_period = IL_SEC(3600), .idle_timeout = IL_FOREVER};
	const il_handler h = {.handle = receive_late};
	struct slow l = {.selects = selects};
	struct service s = {0};
	il_stream *c;

	CHECK_RC(il_event_create(&l.begin), 0);
	service_start(&s, &h, &l, il_protocol_lines(), &o);
	c = dial(&s);
	UNTIL(l.v.handled == 1);
	say(c, sent);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, shut_down, s.server), 0);
	UNTIL(!il_server_is_serving(s.server));
	CHECK_RC(il_event_set(l.begin), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(l.v.last, last);
	il_stream_destroy(c);
	il_server_destroy(s.server);
	il_event_destroy(l.begin);
}

IL_TEST_REAL(M, n246_who_comes_to_be_idle_within_the_grace_period_is_closed)
{
	for (int selects = 0; selects < 2; selects++) {
		check_late(selects, "", -EBADF);
		check_late(selects, "hello\n", 1);
	}
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* Stays with its client until the server ends, as one that sends events. */
static int stay_to_the_end(il_client *client, void *data)
{
	struct visits *v = data;
	il_packet p;
	int rc = visit_receive(client, v, &p, IL_FOREVER);

	if (rc > 0)
		rc = il_event_wait(il_server_stopping(il_client_server(client)));
	if (rc == 0)
		rc = il_client_send(client, "goodbye", 7);
	il_client_close(client);
	return rc;
}

static void check_says_goodbye(struct service *s, il_fn *end)
{
	il_stream *c = dial(s);

	CHECK(!il_event_is_set(il_server_stopping(s->server)));
	say(c, "stay\n");
	UNTIL(s->visits.handled == 1);
	CHECK_RC(il_loop_spawn(il_loop_current(), NULL, end, s->server), 0);
	CHECK_HEARS(c, "goodbye");
	CHECK_RC(service_result(s), 0);
	CHECK(il_event_is_set(il_server_stopping(s->server)));
	CHECK_EQ(s->visits.disconnected, 1);
	il_stream_destroy(c);
	s->visits = (struct visits){0};
}

IL_TEST_REAL(M, n246_a_handler_that_stays_learns_that_the_server_ends)
{
	const il_server_options o = {.grace_period = IL_SEC(3600)};
	const il_handler h = handler_with(stay_to_the_end);
	struct service s = {0};

	service_start(&s, &h, &s.visits, il_protocol_lines(), &o);
	check_says_goodbye(&s, shut_down);
	service_run(&s); /* for the second time: nothing is known of the first */
	check_says_goodbye(&s, shut_down);
	service_run(&s);
	check_says_goodbye(&s, stop_accepting);
	il_server_destroy(s.server);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

IL_TEST_REAL(M, n246_a_server_whose_task_is_cancelled_says_that_it_ends)
{
	struct service s;

	service_lines(&s, &echo_handler, &s.visits);
	CHECK(il_future_cancel(s.serving));
	CHECK_RC(service_result(&s), -ECANCELED);
	CHECK(il_event_is_set(il_server_stopping(s.server)));
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n246_after_the_grace_period_handlers_are_cancelled)
{
	const il_handler h = handler_with(nap_on_request);
	struct shut x = {.nap = IL_SEC(3600)};
	struct service s;
	il_stream *busy;
	il_time start;

	service_start(&s, &h, &x, il_protocol_lines(),
		      &(il_server_options){.grace_period = IL_MSEC(30)});
	busy = dial(&s);
	say(busy, "go\n");
	UNTIL(x.v.handled == 1);
	start = il_now();
	service_end(&s);
	CHECK(il_now() - start >= IL_MSEC(30));
	CHECK_EQ(x.cancelled, 1);
	check_gone(busy);
}

/* ---- 247: shutdown waits for what runs in a thread ---- */

struct working {
	struct visits v;
	il_executor *pool; /* NULL: run_in_thread */
	struct gate gate;
	int result, then;
};

static int work(il_client *client, void *data)
{
	struct working *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	x->result = x->pool ? il_executor_run(x->pool, stay, &x->gate, 0)
			    : il_run_in_thread(stay, &x->gate);
	x->then = il_sleep(0);
	return x->then;
}

static int open_gate_later(void *gate)
{
	CHECK_RC(il_sleep(IL_MSEC(100)), 0);
	atomic_store(&((struct gate *)gate)->open, true);
	return 0;
}

static void check_shutdown_waits_for_a_thread(struct working *x)
{
	const il_handler h = handler_with(work);
	struct service s;
	il_stream *c;
	il_future *opened;
	il_time start, cpu;

	service_lines(&s, &h, x);
	c = dial(&s);
	say(c, "work\n");
	UNTIL_THREAD(atomic_load(&x->gate.begun) == 1);
	start = il_now();
	cpu = il_test_thread_cpu();
	CHECK_RC(il_loop_spawn(il_loop_current(), &opened, open_gate_later, &x->gate), 0);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK(il_now() - start >= IL_MSEC(100));
	CHECK(il_test_thread_cpu() - cpu < (il_now() - start) / 2);
	CHECK_EQ(atomic_load(&x->gate.ended), 1);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(il_future_join(opened), 0);
	CHECK_RC(x->result, 7);
	CHECK_RC(x->then, -ECANCELED);
	CHECK_EQ(x->v.disconnected, 1);
	check_gone(c);
	il_server_destroy(s.server);
}

IL_TEST_REAL(M, n247_shutdown_waits_for_a_handlers_job)
{
	struct working x = {.gate = {.result = 7}};

	x.pool = new_pool(2);
	check_shutdown_waits_for_a_thread(&x);
	il_executor_destroy(x.pool);
}

IL_TEST_REAL(M, n247_shutdown_waits_for_a_handlers_run_in_thread)
{
	struct working x = {.gate = {.result = 7}};

	check_shutdown_waits_for_a_thread(&x);
}

/* ---- 249: what service_init registers is given back ---- */

struct fixture {
	il_executor *pool;
	il_portal *portal;
	il_group group;
	il_future *call; /* a task of the portal that waits */
	int rc;          /* what service_init returns */
};

static int undo(void *word)
{
	TRACE((const char *)word);
	return il_sleep(IL_MSEC(1)); /* clean-up may wait */
}

static int trace_the_cancellation(void *word)
{
	int rc = il_sleep_forever();

	TRACE(rc == -ECANCELED ? (const char *)word : "not-cancelled");
	return rc;
}

static int init_everything(il_exit_stack *stack, il_server *server, void *data)
{
	struct fixture *x = data;

	CHECK_RC(il_exit_stack_push(stack, undo, "first"), 0);
	x->pool = new_pool(1);
	CHECK_RC(il_exit_stack_executor(stack, il_executor_ref(x->pool)), 0);
	CHECK_RC(il_exit_stack_push(stack, undo, "after-executor"), 0);
	CHECK_RC(il_loop_create_threads_portal(il_server_loop(server), &x->portal), 0);
	CHECK_RC(il_exit_stack_portal(stack, x->portal), 0);
	il_portal_ref(x->portal);
	CHECK_RC(
	    il_portal_run_coroutine_soon(x->portal, &x->call, trace_the_cancellation, "portal"), 0);
	CHECK_RC(il_exit_stack_push(stack, undo, "after-portal"), 0);
	CHECK_RC(il_group_open(&x->group), 0);
	CHECK_RC(il_exit_stack_group(stack, &x->group), 0);
	CHECK_RC(il_group_start_soon(&x->group, NULL, trace_the_cancellation, "group"), 0);
	CHECK_RC(il_exit_stack_push(stack, undo, "last"), 0);
	CHECK_RC(il_server_start_soon(server, NULL, trace_the_cancellation, "own"), 0);
	CHECK_RC(il_sleep(IL_MSEC(1)), 0); /* they have begun */
	return x->rc;
}

/* All is over; the references that the test took can tell. */
static void check_given_back(struct fixture *x)
{
	il_future *f = NULL;

	CHECK_TRACE("own last group after-portal portal after-executor first");
	CHECK_RC(il_executor_submit(x->pool, &f, undo, NULL, 0), -ESHUTDOWN);
	CHECK_RC(il_portal_run_sync_soon(x->portal, &f, undo, NULL), -ESHUTDOWN);
	CHECK(il_future_cancelled(x->call));
	il_executor_unref(x->pool);
	il_portal_unref(x->portal);
	il_future_unref(x->call);
}

IL_TEST_REAL(M, n249_a_set_up_that_fails_half_way_is_undone_in_reverse)
{
	const il_handler h = {.service_init = init_everything, .handle = plain_echo};
	struct fixture x = {.rc = -EDOM};
	il_server *server = NULL;
	uint16_t port;

	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, &x, NULL),
		 0);
	port = il_server_port(server);
	CHECK_RC(il_server_serve(server), -EDOM);
	check_given_back(&x);
	check_refused(port);
	il_server_destroy(server);
}

IL_TEST_REAL(M, n249_shutdown_gives_everything_back_in_reverse)
{
	const il_handler h = {.service_init = init_everything, .handle = plain_echo};
	struct fixture x = {.rc = 0};
	struct service s;

	service_lines(&s, &h, &x);
	service_end(&s);
	check_given_back(&x);
}

static int fail_to_undo(void *rc)
{
	return *(int *)rc;
}

static int init_with_bad_ends(il_exit_stack *stack, il_server *server, void *data)
{
	int *rcs = data;

	(void)server;
	for (int i = 0; i < 20; i++) /* more than a small stack has room for */
		CHECK_RC(il_exit_stack_push(stack, undo, "x"), 0);
	CHECK_RC(il_exit_stack_push(stack, fail_to_undo, &rcs[1]), 0);
	CHECK_RC(il_exit_stack_push(stack, fail_to_undo, &rcs[2]), 0);
	CHECK_RC(il_exit_stack_push(stack, NULL, NULL), -EINVAL);
	CHECK_RC(il_exit_stack_executor(stack, NULL), -EINVAL);
	CHECK_RC(il_exit_stack_portal(stack, NULL), -EINVAL);
	CHECK_RC(il_exit_stack_group(stack, NULL), -EINVAL);
	return rcs[0];
}

IL_TEST_REAL(M, n249_failures_of_the_exit_stack_are_told_and_stop_nothing)
{
	const il_handler h = {.service_init = init_with_bad_ends, .handle = plain_echo};
	int rcs[3] = {0, -EIO, -ENOSPC};
	il_server *server = NULL;

	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, rcs, NULL),
		 0);
	rcs[0] = -EDOM;
	CHECK_RC(il_server_serve(server), -EDOM);
	CHECK_TRACE("x x x x x x x x x x x x x x x x x x x x");
	CHECK_LOGGED(IL_LOG_ERROR, "ENOSPC", 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 1);
	rcs[0] = 0;
	CHECK_RC(il_server_close(server), 0);
	il_server_destroy(server);
	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, rcs, NULL),
		 0);
	struct service s = {.server = server};
	service_run(&s);
	CHECK_RC(il_server_shutdown(server), 0);
	CHECK_RC(service_result(&s), -ENOSPC);
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 2);
	il_server_destroy(server);
}

struct background {
	il_group group;
	il_event *fail;
};

static int fail_when_told(void *arg)
{
	struct background *x = arg;
	int rc = il_event_wait(x->fail);

	return rc < 0 ? rc : -ENOSPC;
}

static int init_background(il_exit_stack *stack, il_server *server, void *data)
{
	struct background *x = data;

	(void)server;
	CHECK_RC(il_group_open(&x->group), 0);
	CHECK_RC(il_exit_stack_group(stack, &x->group), 0);
	return il_group_start_soon(&x->group, NULL, fail_when_told, x);
}

IL_TEST_REAL(M, n249_a_background_task_that_fails_ends_the_server_with_its_error)
{
	const il_handler h = {.service_init = init_background, .handle = plain_echo};
	struct background x = {.fail = NULL};
	struct service s;
	il_stream *c;

	CHECK_RC(il_event_create(&x.fail), 0);
	service_lines(&s, &h, &x);
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	CHECK_RC(il_event_set(x.fail), 0);
	CHECK_RC(service_result(&s), -ENOSPC);
	check_gone(c);
	il_server_destroy(s.server);
	il_event_destroy(x.fail);
}

/* ---- 250: a job that outlives the server's portal ---- */

struct late {
	il_executor *pool;
	il_portal *portal;
	struct gate gate;
	int job_rc;
};

static int open_the_gate(void *gate)
{
	atomic_store(&((struct gate *)gate)->open, true);
	return 0;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int call_late(void *arg)
{
	struct late *x = arg;

	stay(&x->gate);
	x->job_rc = il_portal_run_coroutine(x->portal, nothing, NULL);
	return 0;
}

/* The pool is shut down after the portal was closed, and between them the job goes on. */
static int init_late(il_exit_stack *stack, il_server *server, void *data)
{
	struct late *x = data;

	x->pool = new_pool(1);
	CHECK_RC(il_exit_stack_executor(stack, x->pool), 0);
	CHECK_RC(il_exit_stack_push(stack, open_the_gate, &x->gate), 0);
	CHECK_RC(il_loop_create_threads_portal(il_server_loop(server), &x->portal), 0);
	return il_exit_stack_portal(stack, x->portal);
}

static int fire_and_forget(il_client *client, void *data)
{
	struct late *x = data;
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_executor_submit(x->pool, NULL, call_late, x, 0), 0);
	return reply(client, "sent");
}

IL_TEST_REAL(M, n250_a_job_that_calls_after_the_end_is_refused_and_its_pool_drains)
{
	const il_handler h = {.service_init = init_late, .handle = fire_and_forget};
	struct late x = {.job_rc = 1};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &x);
	c = dial(&s);
	CHECK_ASK(c, "fire", "sent");
	CHECK_ASK(c, "again", "sent"); /* still queued when the server ends */
	UNTIL_THREAD(atomic_load(&x.gate.begun) == 1);
	service_end(&s);
	CHECK_RC(x.job_rc, -ESHUTDOWN);
	CHECK_EQ(atomic_load(&x.gate.ended), 2);
	check_gone(c);
}

struct last_call {
	il_group group;
	il_executor *pool;
	int rc;
};

static int submit_at_the_end(void *arg)
{
	struct last_call *x = arg;

	CHECK_RC(il_sleep_forever(), -ECANCELED);
	x->rc = il_executor_submit(x->pool, NULL, nothing, NULL, 0);
	return 0;
}

/* The group is joined after the pool was shut down. */
static int init_last_call(il_exit_stack *stack, il_server *server, void *data)
{
	struct last_call *x = data;

	(void)server;
	CHECK_RC(il_group_open(&x->group), 0);
	CHECK_RC(il_exit_stack_group(stack, &x->group), 0);
	CHECK_RC(il_group_start_soon(&x->group, NULL, submit_at_the_end, x), 0);
	x->pool = new_pool(1);
	return il_exit_stack_executor(stack, x->pool);
}

IL_TEST_REAL(M, n250_a_task_that_calls_a_pool_after_its_end_is_refused)
{
	const il_handler h = {.service_init = init_last_call, .handle = plain_echo};
	struct last_call x = {.rc = 1};
	struct service s;

	service_lines(&s, &h, &x);
	service_end(&s);
	CHECK_RC(x.rc, -ESHUTDOWN);
}

/* ---- tasks of the server ---- */

struct owned {
	il_event *begun;
	int rc, refused;
	il_future *f;
};

static int outlive(void *arg)
{
	struct owned *x = arg;

	CHECK_RC(il_event_set(x->begun), 0);
	x->rc = il_sleep_forever();
	return x->rc;
}

static int leave_a_task_behind(il_client *client, void *data)
{
	struct owned *x = data;

	CHECK_RC(il_server_start_soon(il_client_server(client), &x->f, outlive, x), 0);
	return 0;
}

IL_TEST_REAL(M, a_task_of_the_server_outlives_its_handler_and_not_the_server)
{
	const il_handler h = {.handle = leave_a_task_behind};
	struct owned x = {.rc = 1};
	struct service s;

	CHECK_RC(il_event_create(&x.begun), 0);
	service_lines(&s, &h, &x);
	CHECK_RC(il_server_start_soon(s.server, NULL, NULL, NULL), -EINVAL);
	check_gone(dial(&s));
	CHECK_RC(il_event_wait(x.begun), 0);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(x.rc, 1);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(x.rc, -ECANCELED);
	CHECK(il_future_cancelled(x.f));
	CHECK_RC(il_server_start_soon(s.server, NULL, nothing, NULL), -ESHUTDOWN);
	il_future_unref(x.f);
	il_server_destroy(s.server);
	il_event_destroy(x.begun);
}

static int fail_at_once(void *rc)
{
	return *(int *)rc;
}

IL_TEST_REAL(M, a_task_of_the_server_that_fails_is_logged_unless_somebody_has_its_future)
{
	struct visits v = {0};
	struct service s;
	il_future *f = NULL;
	int rc = -ENOSPC;

	service_lines(&s, &echo_handler, &v);
	CHECK_RC(il_server_start_soon(s.server, &f, fail_at_once, &rc), 0);
	CHECK_RC(il_future_join(f), -ENOSPC);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_RC(il_server_start_soon(s.server, NULL, fail_at_once, &rc), 0);
	UNTIL(il_test_logged(IL_LOG_ERROR, "ENOSPC") == 1);
	CHECK(il_server_is_serving(s.server));
	service_end(&s);
}
