/*
 * m_server_peers.c: peers that vanish, peers that have to introduce themselves, and peers that wait while
 * others are served.
 */
#include "workers.h"

#include "m_server.h"

/* ---- 242: peers that are gone ---- */

IL_TEST_REAL(M, n242_a_reset_while_receiving_is_no_error)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	UNTIL(v.connected == 1);
	reset(c);
	UNTIL(v.disconnected == 1);
	CHECK_RC(v.last, -ECONNRESET);
	c = dial(&s);
	CHECK_ASK(c, "hello", "hello");
	reset(c);
	UNTIL(v.disconnected == 2);
	CHECK_RC(v.last, -ECONNRESET);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n242_a_peer_gone_in_mid_packet_is_told_and_no_error)
{
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	for (int i = 0; i < 2; i++) {
		il_stream *c = dial(&s);
		say(c, "part of a");
		UNTIL(v.connected == i + 1 && unread(v.client) == 0);
		if (i == 0)
			il_stream_destroy(c);
		else
			reset(c);
		UNTIL(v.disconnected == i + 1);
		CHECK_RC(v.last, i == 0 ? -ENODATA : -ECONNRESET);
	}
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

static int greet(il_client *client, void *data)
{
	struct visits *v = data;

	v->connected++;
	v->last = reply(client, "welcome");
	if (v->last < 0)
		CHECK(il_client_is_closing(client));
	return v->last;
}

/* The thread connects and resets without letting the loop accept in between. */
static void connect_and_reset(const struct service *s)
{
	int fd = plain_connect(il_server_port(s->server));

	make_rst(fd);
	close(fd);
}

IL_TEST_REAL(M, n242_a_reset_right_after_the_accept_is_no_error)
{
	struct visits v = {0};
	struct service s;

	service_lines(&s, &echo_handler, &v);
	connect_and_reset(&s);
	UNTIL(v.disconnected == 1);
	CHECK_EQ(v.connected, 1);
	CHECK_RC(v.last, -ECONNRESET);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	service_end(&s);
}

IL_TEST_REAL(M, n242_on_connection_that_meets_a_reset_is_no_error_and_has_no_disconnection)
{
	il_handler h = echo_handler;
	struct visits v = {0};
	struct service s;
	il_stream *c;

	h.on_connection = greet;
	service_lines(&s, &h, &v);
	connect_and_reset(&s);
	UNTIL(v.connected == 1 && il_server_clients(s.server) == 0);
	CHECK_RC(v.last, -EPIPE);
	CHECK_EQ(v.disconnected, 0);
	c = dial(&s);
	CHECK_HEARS(c, "welcome");
	CHECK_ASK(c, "hello", "hello");
	il_stream_destroy(c);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

struct late_answer {
	struct visits v; /* first: the other functions see it alone */
	il_event *gone;
};

static int answer_too_late(il_client *client, void *data)
{
	struct late_answer *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_event_wait(x->gone), 0);
	do
		rc = reply(client, "too late");
	while (rc == 0);
	x->v.last = rc;
	CHECK(il_client_is_closing(client));
	return rc;
}

IL_TEST_REAL(M, n242_sending_to_a_peer_that_is_gone_is_EPIPE_and_not_logged)
{
	const il_handler h = {
	    .on_connection = visit_begin, .handle = answer_too_late, .on_disconnection = visit_end};
	struct late_answer x = {.gone = NULL};
	struct service s;
	il_stream *c;

	CHECK_RC(il_event_create(&x.gone), 0);
	service_lines(&s, &h, &x);
	c = dial(&s);
	say(c, "question\n");
	UNTIL(x.v.handled == 1);
	reset(c);
	CHECK_RC(il_event_set(x.gone), 0);
	UNTIL(x.v.disconnected == 1);
	CHECK_RC(x.v.last, -EPIPE);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
	il_event_destroy(x.gone);
}

struct failing {
	struct visits v; /* first: the other functions see it alone */
	int rc;
};

static int close_and_fail(il_client *client, void *data)
{
	struct failing *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_client_close(client), 0);
	return x->rc;
}

IL_TEST_REAL(M, n242_a_connection_error_after_closing_is_not_logged)
{
	static const int rcs[] = {-EBADF, -EPIPE, -ECONNRESET, -ECONNABORTED, -ENOTCONN};
	const il_handler h = handler_with(close_and_fail);
	struct failing x = {.rc = 0};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &x);
	for (int i = 0; i < 5; i++) {
		x.rc = rcs[i];
		c = dial(&s);
		say(c, "go\n");
		check_gone(c);
		UNTIL(x.v.disconnected == i + 1);
	}
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	CHECK_LOGGED(IL_LOG_WARNING, "EBADF", 1); /* which is not the client's doing */
	CHECK_LOGGED(IL_LOG_WARNING, "", 1);
	x.rc = -EIO; /* another error is one */
	c = dial(&s);
	say(c, "go\n");
	check_gone(c);
	UNTIL(x.v.disconnected == 6);
	CHECK_LOGGED(IL_LOG_ERROR, "EIO", 1);
	service_end(&s);
}

/* ---- 244: on_connection as a dialogue ---- */

struct dialogue {
	struct visits v;  /* first: the other functions see it alone */
	il_time patience; /* with the second answer */
};

static int ask_secrets(il_client *client, void *data)
{
	static const char *const questions[] = {"password?", "code?"};
	static const char *const right[] = {"swordfish", "42"};
	struct dialogue *d = data;
	il_packet p;

	d->v.connected++;
	for (int i = 0; i < 2; i++) {
		CHECK_RC(reply(client, questions[i]), 0);
		int rc = il_client_receive(client, &p, i == 0 ? IL_FOREVER : d->patience);
		d->v.last = rc;
		if (rc == -ETIMEDOUT)
			CHECK_RC(reply(client, "too late"), 0);
		else if (rc <= 0)
			return rc;
		else if (!packet_is(&p, right[i]))
			CHECK_RC(reply(client, "wrong"), 0);
		else
			continue;
		return il_client_close(client);
	}
	return reply(client, "welcome");
}

/* A server, and a client that is asked for the password. */
static il_stream *dialogue_start(struct service *s, struct dialogue *d)
{
	il_handler h = echo_handler;
	il_stream *c;

	h.on_connection = ask_secrets;
	service_lines(s, &h, d);
	c = dial(s);
	CHECK_HEARS(c, "password?");
	return c;
}

/* It came to nothing. */
static void dialogue_end(struct service *s, struct dialogue *d)
{
	UNTIL(d->v.disconnected == 1);
	CHECK_EQ(d->v.handled, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(s);
}

IL_TEST_REAL(M, n244_the_right_answers_lead_to_handle)
{
	struct dialogue d = {.patience = IL_FOREVER};
	struct service s;
	il_stream *c;

	c = dialogue_start(&s, &d);
	say(c, "swordfish\n42\nhello\n");
	CHECK_HEARS(c, "code?");
	CHECK_HEARS(c, "welcome");
	CHECK_HEARS(c, "hello");
	CHECK_EQ(d.v.handled, 1);
	il_stream_destroy(c);
	UNTIL(d.v.disconnected == 1);
	service_end(&s);
}

IL_TEST_REAL(M, n244_a_wrong_answer_closes)
{
	struct dialogue d = {.patience = IL_FOREVER};
	struct service s;
	il_stream *c;

	c = dialogue_start(&s, &d);
	CHECK_ASK(c, "swordfish", "code?");
	say(c, "41\nhello\n");
	CHECK_HEARS(c, "wrong");
	check_gone(c);
	dialogue_end(&s, &d);
}

IL_TEST_REAL(M, n244_no_answer_in_time_is_reported_and_closes)
{
	struct dialogue d = {.patience = IL_MSEC(40)};
	struct service s;
	il_stream *c;
	il_time start;

	c = dialogue_start(&s, &d);
	start = il_now();
	CHECK_ASK(c, "swordfish", "code?");
	CHECK_HEARS(c, "too late");
	CHECK(il_now() - start >= IL_MSEC(40));
	check_gone(c);
	dialogue_end(&s, &d);
}

IL_TEST_REAL(M, n244_a_client_that_leaves_the_dialogue_disconnects_once)
{
	struct dialogue d = {.patience = IL_FOREVER};
	struct service s;
	il_stream *c;

	c = dialogue_start(&s, &d);
	il_stream_destroy(c);
	dialogue_end(&s, &d);
	CHECK_EQ(d.v.last, 0);
}

IL_TEST_REAL(M, n244_what_on_connection_does_not_receive_goes_to_handle)
{
	struct visits v = {0};
	struct service s;
	il_stream *c;

	service_lines(&s, &echo_handler, &v);
	c = dial(&s);
	CHECK_ASK(c, "first", "first");
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.handled, 1);
	il_stream_destroy(c);
	service_end(&s);
}

static int close_on_connection(il_client *client, void *data)
{
	visit_begin(client, data);
	return il_client_close(client);
}

IL_TEST_REAL(M, n244_on_connection_that_closes_has_a_disconnection_and_no_handle)
{
	il_handler h = echo_handler;
	struct visits v = {0};
	struct service s;

	h.on_connection = close_on_connection;
	service_lines(&s, &h, &v);
	check_gone(dial(&s));
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.disconnected, 1);
	CHECK_EQ(v.last, 0);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	service_end(&s);
}

static int fail_on_connection(il_client *client, void *data)
{
	visit_begin(client, data);
	return -EACCES;
}

IL_TEST_REAL(M, n244_on_connection_that_fails_has_no_disconnection)
{
	il_handler h = echo_handler;
	struct visits v = {.last = 1};
	struct service s;
	char name[IL_ADDRESS_TEXT_MAX];
	il_stream *c;

	h.on_connection = fail_on_connection;
	service_lines(&s, &h, &v);
	c = dial(&s);
	name_of(c, name);
	check_gone(c);
	UNTIL(il_server_clients(s.server) == 0);
	CHECK_EQ(v.connected, 1);
	CHECK_EQ(v.disconnected, 0);
	CHECK_EQ(v.last, 1);
	CHECK_LOGGED(IL_LOG_ERROR, name, 1);
	CHECK_LOGGED(IL_LOG_ERROR, "EACCES", 1);
	service_end(&s);
}

/* ---- 251: the flow of the how-to ---- */

struct howto {
	il_executor *pool;
	il_portal *portal;
	il_event *other, *told;
};

static int init_howto(il_exit_stack *stack, il_server *server, void *data)
{
	struct howto *x = data;

	x->pool = new_pool(3);
	CHECK_RC(il_exit_stack_executor(stack, x->pool), 0);
	CHECK_RC(il_loop_create_threads_portal(il_server_loop(server), &x->portal), 0);
	return il_exit_stack_portal(stack, x->portal);
}

static int wait_for_the_other(void *arg)
{
	struct howto *x = arg;
	int rc = il_event_wait(x->other);

	return rc < 0 ? rc : il_sleep(IL_MSEC(1));
}

static int set_told(void *arg)
{
	struct howto *x = arg;

	return il_event_set(x->told);
}

/* A background task of the job: the larger the sooner. */
static int square(void *arg)
{
	int n = (int)(intptr_t)arg, rc = il_sleep(IL_MSEC(1) * (5 - n));

	return rc < 0 ? rc : n * n;
}

/* In a worker thread: async code, a plain call, and several tasks at once. */
static int job(void *arg)
{
	enum { TASKS = 4 };
	struct howto *x = arg;
	il_future *f[TASKS], *done;
	il_as_completed *it;
	int sum = 0;

	CHECK(il_loop_current() == NULL);
	CHECK_RC(il_portal_run_coroutine(x->portal, wait_for_the_other, x), 0);
	CHECK_RC(il_portal_run_sync(x->portal, set_told, x), 0);
	for (intptr_t i = 0; i < TASKS; i++)
		CHECK_RC(il_portal_run_coroutine_soon(x->portal, &f[i], square, (void *)i), 0);
	CHECK_RC(il_as_completed_open(&it, f, TASKS, IL_FOREVER), 0);
	while (il_as_completed_next(it, &done) == 1)
		sum += il_future_result(done, 0);
	il_as_completed_close(it);
	for (int i = 0; i < TASKS; i++)
		il_future_unref(f[i]);
	return sum;
}

static int handle_howto(il_client *client, void *data)
{
	struct howto *x = data;
	il_packet p;
	char text[16];
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (!packet_is(&p, "job")) {
		CHECK_RC(il_event_set(x->other), 0);
		return il_client_send(client, p.data, p.size);
	}
	rc = il_executor_run(x->pool, job, x, 0);
	if (rc < 0)
		return rc;
	CHECK(il_event_is_set(x->told));
	snprintf(text, sizeof text, "%d", rc);
	return reply(client, text);
}

/* The job ends only because another client is answered meanwhile. */
IL_TEST_REAL(M, n251_handler_job_portal_and_back)
{
	const il_handler h = {.service_init = init_howto, .handle = handle_howto};
	struct howto x = {.pool = NULL};
	struct service s;
	il_stream *a, *b;

	CHECK_RC(il_event_create(&x.other), 0);
	CHECK_RC(il_event_create(&x.told), 0);
	service_lines(&s, &h, &x);
	a = dial(&s);
	b = dial(&s);
	say(a, "job\n");
	CHECK_ASK(b, "meanwhile", "meanwhile");
	CHECK_HEARS(a, "14");
	CHECK_ASK(a, "and on", "and on");
	il_stream_destroy(a);
	il_stream_destroy(b);
	service_end(&s);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
	il_event_destroy(x.other);
	il_event_destroy(x.told);
}
