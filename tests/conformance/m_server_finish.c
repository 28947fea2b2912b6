/*
 * m_server_finish.c: a polite close: the last answer arrives whatever the client still sends, and the close
 * follows in any case.
 */
#include "m_server.h"

/* `data` of the handlers below. */
struct leave {
	struct visits v;
	il_time timeout, took;
	int rc; /* what il_client_finish returned */
	int begun, ended;
	il_future *sender;
};

static int finish(il_client *client, struct leave *x)
{
	il_time start = il_now();

	x->begun++;
	x->rc = il_client_finish(client, x->timeout);
	x->took = il_now() - start;
	x->ended++;
	CHECK(il_client_is_closing(client));
	CHECK_RC(il_stream_fd(il_client_stream(client)), -EBADF);
	return x->rc;
}

static int answer_and_finish(il_client *client, void *data)
{
	struct leave *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(reply(client, "bye"), 0);
	rc = finish(client, x);
	CHECK(packet_is(&p, "enough")); /* it is still there */
	return rc;
}

/* A client that was told to go, and stays. */
static il_stream *told_to_go(struct service *s, struct leave *x, const il_handler *h,
			     const il_server_options *options)
{
	char byte;
	il_stream *c;

	service_start(s, h, x, il_protocol_lines(), options);
	c = dial(s);
	CHECK_ASK(c, "enough", "bye");
	CHECK_EQ(il_stream_read(c, &byte, 1), 0);
	CHECK_EQ(x->begun, 1);
	return c;
}

static void check_finished(struct leave *x, int rc)
{
	UNTIL(x->v.disconnected == 1);
	CHECK_EQ(x->ended, 1);
	CHECK_RC(x->rc, rc);
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

IL_TEST_REAL(M, what_a_finished_client_still_sends_is_dropped_until_it_closes)
{
	const il_handler h = handler_with(answer_and_finish);
	struct leave x = {.timeout = IL_FOREVER};
	static char much[1 << 20];
	struct service s;
	il_stream *c = told_to_go(&s, &x, &h, NULL);

	memset(much, 'x', sizeof much);
	for (int i = 0; i < 4; i++)
		CHECK_RC(il_stream_write_all(c, much, sizeof much), 0);
	CHECK_EQ(x.ended, 0);
	il_stream_destroy(c);
	check_finished(&x, 0);
	CHECK_EQ(x.v.handled, 1);
	service_end(&s);
}

IL_TEST_REAL(M, a_finished_client_that_sends_and_resets_is_no_error)
{
	const il_handler h = handler_with(answer_and_finish);
	struct leave x = {.timeout = IL_FOREVER};
	struct service s;
	il_stream *c = told_to_go(&s, &x, &h, NULL);

	say(c, "more");
	reset(c);
	check_finished(&x, 0);
	service_end(&s);
}

IL_TEST_REAL(M, a_finished_client_that_does_not_close_is_closed_in_time)
{
	const il_handler h = handler_with(answer_and_finish);
	struct leave x = {.timeout = IL_MSEC(20)};
	struct service s;
	il_stream *c = told_to_go(&s, &x, &h, NULL);

	check_finished(&x, 0);
	CHECK(x.took >= IL_MSEC(20) && x.took < IL_MSEC(20) + il_test_patience());
	il_stream_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(M, finishing_in_no_time_closes)
{
	const il_handler h = handler_with(answer_and_finish);
	struct leave x = {.timeout = 0};
	struct service s;
	il_stream *c = told_to_go(&s, &x, &h, NULL);

	check_finished(&x, 0);
	il_stream_destroy(c);
	service_end(&s);
}

IL_TEST_REAL(M, a_cancelled_finish_closes_at_once)
{
	const il_handler h = handler_with(answer_and_finish);
	struct leave x = {.timeout = IL_FOREVER};
	struct service s;
	il_stream *c = told_to_go(&s, &x, &h, NULL);

	service_end(&s);
	check_finished(&x, -ECANCELED);
	il_stream_destroy(c);
}

static int finish_in_a_cancelled_scope(il_client *client, void *data)
{
	il_scope scope = IL_SCOPE_INIT;
	struct leave *x = data;

	CHECK_RC(il_scope_enter(&scope, IL_FOREVER, 0), 0);
	CHECK_RC(il_scope_cancel(&scope), 0);
	CHECK_RC(finish(client, x), -ECANCELED);
	CHECK_RC(il_scope_exit(&scope, x->rc), 0);
	return 0;
}

IL_TEST_REAL(M, a_finish_in_a_cancelled_scope_closes_at_once)
{
	const il_handler h = handler_with(finish_in_a_cancelled_scope);
	struct leave x = {.timeout = IL_FOREVER};
	struct service s;
	il_stream *c;

	service_lines(&s, &h, &x);
	c = dial(&s);
	check_gone(c);
	check_finished(&x, -ECANCELED);
	service_end(&s);
}

static int close_later(void *stream)
{
	int rc = il_sleep(IL_MSEC(20));

	il_stream_destroy(stream);
	return rc;
}

/* It is no idle client: its answer may be on its way. */
IL_TEST_REAL(M, a_finish_may_use_the_grace_period)
{
	const il_handler h = handler_with(answer_and_finish);
	struct leave x = {.timeout = IL_FOREVER};
	il_future *closing = NULL;
	struct service s;
	il_stream *c = told_to_go(&s, &x, &h, &(il_server_options){.grace_period = IL_SEC(60)});

	CHECK_RC(il_loop_spawn(il_loop_current(), &closing, close_later, c), 0);
	service_end(&s);
	check_finished(&x, 0);
	CHECK_RC(il_future_result(closing, IL_FOREVER), 0);
	il_future_unref(closing);
}

/* ---- who else uses the client ---- */

enum { LARGE = 8 << 20 };

static int send_large(void *client)
{
	char *large = malloc(LARGE);
	int rc;

	CHECK(large != NULL);
	memset(large, 'x', LARGE);
	rc = il_client_send(client, large, LARGE);
	free(large);
	return rc;
}

static int finish_while_another_sends(il_client *client, void *data)
{
	struct leave *x = data;
	il_packet p;
	int rc = visit_receive(client, &x->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	CHECK_RC(il_server_start_soon(il_client_server(client), &x->sender, send_large, client), 0);
	CHECK_RC(il_yield(), 0);
	rc = finish(client, x);
	CHECK_RC(il_future_result(x->sender, IL_FOREVER), 0);
	il_future_unref(x->sender);
	return rc;
}

IL_TEST_REAL(M, what_another_task_sends_is_sent_before_the_client_is_finished)
{
	const il_handler h = handler_with(finish_while_another_sends);
	struct leave x = {.timeout = IL_FOREVER};
	struct service s;
	size_t heard = 0;
	char some[4096];
	il_stream *c;
	int n;

	service_lines(&s, &h, &x);
	c = dial(&s);
	say(c, "large\n");
	UNTIL(x.begun == 1);
	while ((n = il_stream_read(c, some, sizeof some)) > 0)
		heard += (size_t)n;
	CHECK_EQ(n, 0);
	CHECK_EQ(heard, LARGE + 1); /* and the end of the line */
	CHECK_EQ(x.ended, 0);
	il_stream_destroy(c);
	check_finished(&x, 0);
	service_end(&s);
}

struct misuse {
	struct visits v;
	il_client *kept;
};

static int keep(il_client *client, void *data)
{
	struct misuse *x = data;

	x->kept = il_client_ref(client);
	return visit_begin(client, &x->v);
}

static int finish_kept(void *arg)
{
	return il_client_finish(((struct misuse *)arg)->kept, 0);
}

static int finish_in_callback(il_future *f, void *client)
{
	(void)f;
	CHECK_RC(il_client_finish(client, IL_FOREVER), 0); /* closed: nothing to wait for */
	CHECK_RC(il_threads_wait(), 0);
	return 0;
}

IL_TEST_REAL(M, a_finish_that_cannot_be_is_refused_and_changes_nothing)
{
	const il_handler h = {
	    .on_connection = keep, .handle = visit_echo, .on_disconnection = visit_end};
	struct il_test_thread t;
	struct misuse x = {.kept = NULL};
	struct service s;
	il_stream *c;
	il_future *f;

	service_lines(&s, &h, &x);
	c = dial(&s);
	CHECK_ASK(c, "here", "here");
	CHECK_RC(il_client_finish(NULL, 0), -EINVAL);
	CHECK_RC(il_client_finish(x.kept, -1), -EINVAL);
	CHECK_RC(il_client_finish(x.kept, IL_FOREVER), -EBUSY); /* its handler receives */
	il_test_thread_start(&t, finish_kept, &x);
	CHECK_RC(il_test_thread_join(&t), -EPERM);
	CHECK(!il_client_is_closing(x.kept));
	CHECK_ASK(c, "still here", "still here");
	il_stream_destroy(c);
	UNTIL(x.v.disconnected == 1);
	CHECK_RC(il_client_finish(x.kept, IL_FOREVER), 0); /* it is closed */
	CHECK_RC(il_future_create(&f), 0);
	CHECK_RC(il_future_on_done(f, finish_in_callback, x.kept), 0);
	CHECK_RC(il_future_set_result(f, 0), 0);
	il_future_unref(f);
	il_client_unref(x.kept);
	service_end(&s);
}
