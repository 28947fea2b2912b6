/*
 * m_server_signals.c: stop_at_signals: SIGTERM and SIGINT shut down every server that asks for it, on whatever loop,
 * and what handled the signals before does so again afterwards.
 */
#include "handlers.h"
#include "in_child.h"
#include "m_server.h"
#include "scarce_backend.h"

static const il_server_options stops = {.stop_at_signals = true, .grace_period = IL_FOREVER};

static void stoppable(struct service *s, const il_handler *handler, void *data)
{
	service_start(s, handler, data, il_protocol_lines(), &stops);
}

static void check_ended(struct service *s)
{
	CHECK_RC(service_result(s), 0);
	il_server_destroy(s->server);
}

IL_TEST_REAL(M, a_signal_shuts_down_every_server_that_asks_for_it)
{
	static const int numbers[] = {SIGTERM, SIGINT};

	set_handler(SIGTERM, SIG_IGN);
	set_handler(SIGINT, count_signal);
	for (int i = 0; i < 2; i++) {
		struct service first, second, other;
		il_stream *c;
		stoppable(&first, &echo_handler, &first.visits);
		stoppable(&second, &echo_handler, &second.visits);
		service_lines(&other, &echo_handler, &other.visits);
		c = dial(&second);
		CHECK_ASK(c, "hello", "hello");
		CHECK_EQ(raise(numbers[i]), 0);
		check_ended(&first);
		check_ended(&second);
		check_gone(c);
		CHECK(il_server_is_serving(other.server));
		service_end(&other);
		CHECK(handles(SIGTERM, SIG_IGN) && handles(SIGINT, count_signal));
	}
	CHECK_EQ(signals_seen, 1); /* what was there before was called on */
}

static int wait_for_ever(il_client *client, void *rc)
{
	il_packet p;

	if (il_client_receive(client, &p, IL_FOREVER) <= 0)
		return 0;
	*(int *)rc = 0;
	*(int *)rc = il_sleep_forever();
	return *(int *)rc;
}

IL_TEST_REAL(M, a_second_signal_cancels_the_handlers)
{
	const il_handler h = {.handle = wait_for_ever};
	struct service s;
	il_stream *c;
	int rc = 1;

	set_handler(SIGTERM, SIG_IGN);
	set_handler(SIGINT, SIG_IGN);
	stoppable(&s, &h, &rc);
	c = dial(&s);
	say(c, "hello\n");
	UNTIL(rc == 0);
	CHECK_EQ(raise(SIGTERM), 0);
	UNTIL(!il_server_is_serving(s.server));
	CHECK_EQ(rc, 0);
	CHECK_EQ(raise(SIGINT), 0);
	check_ended(&s);
	CHECK_EQ(rc, -ECANCELED);
	check_gone(c);
}

static int open_stoppable(il_server **server, void *arg)
{
	return il_tcp_server_open(server, "127.0.0.1", "0", il_protocol_lines(), &echo_handler, arg,
				  &stops);
}

IL_TEST_REAL(M, a_signal_shuts_down_the_servers_of_all_loops)
{
	struct service s;
	struct visits v = {.connected = 0};
	il_server_thread *thread = NULL;

	set_handler(SIGTERM, SIG_IGN);
	CHECK_RC(il_server_thread_start(&thread, il_test_backend(), NULL, open_stoppable, &v), 0);
	stoppable(&s, &echo_handler, &s.visits);
	CHECK_EQ(raise(SIGTERM), 0);
	check_ended(&s);
	CHECK_RC(il_server_thread_wait(thread, il_test_patience()), 0);
	CHECK_RC(il_server_thread_stop(thread), 0);
	CHECK(handles(SIGTERM, SIG_IGN));
}

IL_TEST_REAL(M, signals_that_are_blocked_reach_the_server_and_are_blocked_afterwards)
{
	sigset_t block, before;
	struct service s;

	set_handler(SIGTERM, SIG_IGN);
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &block, &before), 0);
	stoppable(&s, &echo_handler, &s.visits);
	CHECK_EQ(raise(SIGTERM), 0);
	check_ended(&s);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, &block), 0);
	CHECK(sigismember(&block, SIGTERM) && !sigismember(&block, SIGINT));
}

IL_TEST_REAL(M, a_receiver_of_the_signal_keeps_the_server_from_serving)
{
	il_signal_receiver *r = NULL;
	il_server *server = NULL;
	struct visits v = {.connected = 0};

	set_handler(SIGTERM, SIG_IGN);
	CHECK_RC(il_signal_receiver_open(&r, (const int[]){SIGINT}, 1), 0);
	CHECK_RC(open_stoppable(&server, &v), 0);
	CHECK_RC(il_server_serve(server), -EBUSY);
	CHECK_DETAIL("SIGTERM or SIGINT has a receiver");
	CHECK(handles(SIGTERM, SIG_IGN));
	il_signal_receiver_destroy(r);
	struct service s = {.server = server};
	service_run(&s);
	CHECK_RC(il_signal_receiver_open(&r, (const int[]){SIGTERM}, 1), -EBUSY);
	service_end(&s);
}

static int handles_nothing(void *arg)
{
	(void)arg;
	CHILD_CHECK(handles(SIGTERM, SIG_DFL) && handles(SIGINT, SIG_DFL));
	return 0;
}

IL_TEST_REAL(M, a_forked_child_is_not_stopped_by_the_parents_server)
{
	struct service s;

	set_handler(SIGTERM, SIG_DFL);
	set_handler(SIGINT, SIG_DFL);
	stoppable(&s, &echo_handler, &s.visits);
	CHECK_IN_CHILD(handles_nothing, NULL);
	CHECK_EQ(raise(SIGTERM), 0);
	check_ended(&s);
}

/* ---- one that no server has seen ---- */

static int fail_with_a_signal(il_exit_stack *stack, il_server *server, void *data)
{
	(void)stack;
	(void)server;
	(void)data;
	raise(SIGTERM);
	return -EDOM;
}

static int serve_and_fail(void *arg)
{
	const il_handler h = {.service_init = fail_with_a_signal, .handle = plain_echo};
	il_server *server;

	if (il_tcp_server_open(&server, "127.0.0.1", "0", il_protocol_lines(), &h, arg, &stops) < 0)
		return 1;
	il_server_serve(server); /* does not return: the signal has its default effect */
	return 2;
}

static int run_and_fail(void *arg)
{
	signal(SIGTERM, SIG_DFL);
	return il_run(il_test_backend(), serve_and_fail, arg);
}

IL_TEST_OWN_REAL(M, a_signal_that_no_server_has_seen_is_raised_again)
{
	char said[1024];
	int status = status_in_child(run_and_fail, NULL, said, sizeof said);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* ---- one that came before the server ---- */

static int serve_to_the_end(void *arg)
{
	il_server *server = NULL;

	CHILD_CHECK(open_stoppable(&server, arg) == 0);
	CHILD_CHECK(il_server_serve(server) == 0);
	il_server_destroy(server);
	return 0;
}

static int run_with_one_pending(void *arg)
{
	sigset_t block;

	signal(SIGTERM, SIG_DFL);
	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	CHILD_CHECK(pthread_sigmask(SIG_BLOCK, &block, NULL) == 0);
	CHILD_CHECK(raise(SIGTERM) == 0);
	return il_run(il_test_backend(), serve_to_the_end, arg);
}

IL_TEST_OWN_REAL(M, a_signal_that_is_pending_when_the_server_begins_ends_the_server)
{
	struct visits v = {.connected = 0};

	CHECK_IN_CHILD(run_with_one_pending, &v);
}

/* ---- while the exit stack is closed ---- */

struct keeper {
	il_portal *portal;
	int slept; /* what its task got */
	bool ends; /* the exit stack is being closed */
};

static int sleep_in_a_portal(void *keeper)
{
	struct keeper *k = keeper;

	k->slept = il_sleep_forever();
	return k->slept;
}

static int note_the_end(void *keeper)
{
	((struct keeper *)keeper)->ends = true;
	return 0;
}

static int keep_a_portal(il_exit_stack *stack, il_server *server, void *data)
{
	struct keeper *k = data;

	CHECK_RC(il_loop_create_threads_portal(il_server_loop(server), &k->portal), 0);
	CHECK_RC(il_exit_stack_portal(stack, k->portal), 0);
	CHECK_RC(il_portal_run_coroutine_soon(k->portal, NULL, sleep_in_a_portal, k), 0);
	return il_exit_stack_push(stack, note_the_end, k);
}

IL_TEST_REAL(M, a_signal_cancels_what_the_exit_stack_waits_for)
{
	const il_handler h = {.service_init = keep_a_portal, .handle = plain_echo};
	struct keeper k = {.slept = 1};
	struct service s;

	set_handler(SIGTERM, SIG_IGN);
	stoppable(&s, &h, &k);
	CHECK_RC(il_server_close(s.server), 0);
	UNTIL(k.ends);
	CHECK_EQ(k.slept, 1);
	CHECK_EQ(raise(SIGTERM), 0);
	check_ended(&s);
	CHECK_EQ(k.slept, -ECANCELED);
}

/* ---- where the system lacks something ---- */

static int stop_where_a_watch_is_refused(void *arg)
{
	struct service s;
	struct visits v = {.connected = 0};

	(void)arg;
	set_handler(SIGTERM, SIG_IGN);
	CHECK_RC(open_stoppable(&s.server, &v), 0);
	scarce.next = 1;
	service_run(&s);
	CHECK_EQ(scarce.next, 0);
	CHECK_EQ(raise(SIGTERM), 0);
	check_ended(&s);
	return 0;
}

IL_TEST_OWN_REAL(M, a_server_hears_signals_again_once_there_is_memory)
{
	const il_backend backend = scarce_backend();

	CHECK_RC(il_run(&backend, stop_where_a_watch_is_refused, NULL), 0);
	CHECK_LOGGED(IL_LOG_WARNING, "stop_at_signals: ", 1);
}
