/*
 * m_transcript.c: one handler, one script of clients, and everything that each of them sees, compared
 * with what is written down here: on every loop, own or adopted, it is the same to the byte.
 */
#include "workers.h"

#include "m_server.h"

#include <stdarg.h>

/* ---- what is written down ---- */

struct chat {
	char text[4096];
	il_executor *pool;
	il_portal *portal;
	il_event *told;
	il_time name_patience, line_patience; /* IL_FOREVER but for those who do not speak */
	int clients, gone;
};

static void note(struct chat *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct chat *x, const char *format, ...)
{
	size_t used = strlen(x->text);
	va_list args;

	va_start(args, format);
	vsnprintf(x->text + used, sizeof x->text - used, format, args);
	va_end(args);
}

/* ---- the handler ---- */

static int end_chat(void *arg)
{
	note(arg, "server: the exit stack runs\n");
	return 0;
}

static int wait_for_the_end(void *arg)
{
	int rc = il_sleep_forever();

	note(arg, "background: %s\n", il_error_name(rc));
	return rc;
}

static int init_chat(il_exit_stack *stack, il_server *server, void *data)
{
	struct chat *x = data;

	note(x, "server: service_init\n");
	CHECK_RC(il_exit_stack_push(stack, end_chat, x), 0);
	x->pool = new_pool(2);
	CHECK_RC(il_exit_stack_executor(stack, x->pool), 0);
	CHECK_RC(il_loop_create_threads_portal(il_server_loop(server), &x->portal), 0);
	CHECK_RC(il_exit_stack_portal(stack, x->portal), 0);
	return il_server_start_soon(server, NULL, wait_for_the_end, x);
}

/* Client n is greeted, asked for its name, and turned away if it is "nobody". */
static int greet(il_client *client, void *data)
{
	struct chat *x = data;
	intptr_t n = ++x->clients;
	il_packet p;
	int rc;

	il_client_set_data(client, (void *)n);
	note(x, "client %d: on_connection\n", (int)n);
	rc = reply(client, "name?");
	if (rc == 0)
		rc = il_client_receive(client, &p, x->name_patience);
	if (rc == -ETIMEDOUT) {
		note(x, "client %d: has no name\n", (int)n);
		CHECK_RC(reply(client, "too late"), 0);
		return il_client_close(client);
	}
	if (rc <= 0) {
		note(x, "client %d: left, %s\n", (int)n, il_error_name(rc));
		return rc;
	}
	note(x, "client %d: is %s\n", (int)n, (const char *)p.data);
	return packet_is(&p, "nobody") ? -EACCES : reply(client, "welcome");
}

static int set_told(void *arg)
{
	return il_event_set(((struct chat *)arg)->told);
}

struct cube {
	int n, *turn;
};

static int cube(void *arg)
{
	const struct cube *c = arg;

	UNTIL(*c->turn == c->n);
	--*c->turn;
	return c->n * c->n * c->n;
}

/* In a worker: tasks of the loop, in the order in which they end. */
static int job(void *arg)
{
	struct chat *x = arg;
	il_future *f[3], *done;
	il_as_completed *it;
	int all = 0, turn = 2;
	struct cube cubes[3];

	CHECK_RC(il_portal_run_sync(x->portal, set_told, x), 0);
	for (int i = 0; i < 3; i++) {
		cubes[i] = (struct cube){i, &turn};
		CHECK_RC(il_portal_run_coroutine_soon(x->portal, &f[i], cube, &cubes[i]), 0);
	}
	CHECK_RC(il_as_completed_open(&it, f, 3, IL_FOREVER), 0);
	while (il_as_completed_next(it, &done) == 1)
		all = 10 * all + il_future_result(done, 0);
	il_as_completed_close(it);
	for (int i = 0; i < 3; i++)
		il_future_unref(f[i]);
	return all;
}

static int answer_job(il_client *client, struct chat *x)
{
	char text[32];
	int rc = il_executor_run(x->pool, job, x, 0);

	if (rc < 0)
		return rc;
	snprintf(text, sizeof text, "%d, told: %d", rc, il_event_is_set(x->told));
	return reply(client, text);
}

static int answer_two(il_client *client)
{
	char both[64];
	il_packet p;
	int n = 0, rc = reply(client, "which two?");

	for (int i = 0; rc >= 0 && i < 2; i++) {
		rc = il_client_receive(client, &p, IL_FOREVER);
		if (rc <= 0)
			return rc;
		n += snprintf(both + n, sizeof both - (size_t)n, "<%s>", (const char *)p.data);
	}
	return rc < 0 ? rc : reply(client, both);
}

static int answer_nap(il_client *client, struct chat *x)
{
	int rc = reply(client, "good night");

	if (rc == 0)
		rc = il_sleep(IL_SEC(3600));
	note(x, "client %d: nap, %s\n", (int)(intptr_t)il_client_data(client), il_error_name(rc));
	return rc;
}

static int answer(il_client *client, struct chat *x, const il_packet *p)
{
	if (packet_is(p, "job"))
		return answer_job(client, x);
	if (packet_is(p, "two"))
		return answer_two(client);
	if (packet_is(p, "nap"))
		return answer_nap(client, x);
	if (packet_is(p, "fail"))
		return -EIO;
	if (packet_is(p, "bye"))
		return il_client_close(client);
	if (packet_is(p, "close"))
		CHECK_RC(il_server_close(il_client_server(client)), 0);
	if (packet_is(p, "shutdown"))
		CHECK_RC(il_server_shutdown(il_client_server(client)), 0);
	return il_client_send(client, p->data, p->size);
}

static int chat(il_client *client, void *data)
{
	struct chat *x = data;
	int n = (int)(intptr_t)il_client_data(client);
	il_packet p;
	int rc = il_client_receive(client, &p, x->line_patience);

	if (rc <= 0)
		note(x, "client %d: %s\n", n, rc ? il_error_name(rc) : "gone");
	if (rc == -EMSGSIZE)
		return reply(client, "too long");
	if (rc <= 0)
		return rc;
	note(x, "client %d: \"%.*s\"\n", n, (int)p.size, (const char *)p.data);
	rc = answer(client, x, &p);
	if (rc < 0)
		note(x, "client %d: handle returns %s\n", n, il_error_name(rc));
	return rc;
}

static void see_off(il_client *client, void *data)
{
	struct chat *x = data;

	note(x, "client %d: on_disconnection\n", (int)(intptr_t)il_client_data(client));
	x->gone++;
}

static const il_handler chat_handler = {
    .service_init = init_chat, .on_connection = greet, .handle = chat, .on_disconnection = see_off};

/* ---- the clients ---- */

struct peer {
	const struct service *service;
	struct chat *chat;
	il_stream *stream;
	int number;
};

static void hear_line(struct peer *p)
{
	char line[256];

	note(p->chat, "peer %d hears \"%s\"\n", p->number, hear(p->stream, line));
}

static struct peer join(const struct service *s, struct chat *x, const char *name)
{
	struct peer p = {.service = s, .chat = x, .number = x->clients + 1};

	p.stream = dial(s);
	hear_line(&p);
	if (name)
		say(p.stream, name);
	return p;
}

static struct peer enter(const struct service *s, struct chat *x, const char *name)
{
	struct peer p = join(s, x, name);

	hear_line(&p);
	return p;
}

static void ask(struct peer *p, const char *line)
{
	say(p->stream, line);
	hear_line(p);
}

/* The server has closed, and nothing of this client is left. */
static void end(struct peer *p)
{
	check_gone(p->stream);
	note(p->chat, "peer %d is alone\n", p->number);
	UNTIL(il_server_clients(p->service->server) == 0);
}

static void leave(struct peer *p, void (*how)(il_stream *stream))
{
	how(p->stream);
	UNTIL(il_server_clients(p->service->server) == 0);
}

static void talk(const struct service *s, struct chat *x)
{
	struct peer p = enter(s, x, "Ada\n");
	char longest[300];

	ask(&p, "hello\r\n");
	say(p.stream, "one\ntwo\n");
	hear_line(&p);
	hear_line(&p);
	ask(&p, "first\nsecond\n");
	memset(longest, 'x', sizeof longest);
	CHECK_RC(il_stream_write_all(p.stream, longest, sizeof longest), 0);
	hear_line(&p);
	ask(&p, "\nafter it\n");
	ask(&p, "job\n");
	say(p.stream, "bye\nnever handled\n");
	end(&p);
}

static void misbehave(const struct service *s, struct chat *x)
{
	struct peer p = enter(s, x, "Bob\n");

	say(p.stream, "fail\n");
	end(&p);
	p = join(s, x, "nobody\n");
	end(&p);
	x->name_patience = IL_MSEC(20);
	p = join(s, x, NULL);
	hear_line(&p);
	end(&p);
	x->name_patience = IL_FOREVER;
	p = join(s, x, NULL);
	leave(&p, il_stream_destroy);
	p = enter(s, x, "Cyd\n");
	leave(&p, reset);
	p = enter(s, x, "Dan\n");
	say(p.stream, "half a li");
	CHECK_RC(il_stream_shutdown_write(p.stream), 0);
	end(&p);
	x->line_patience = IL_MSEC(20);
	p = enter(s, x, "Eve\n");
	end(&p);
	x->line_patience = IL_FOREVER;
}

static void part(const struct service *s, struct chat *x)
{
	struct peer a = enter(s, x, "Fay\n"), b = enter(s, x, "Guy\n");

	ask(&a, "nap\n");
	say(b.stream, "shutdown\n");
	UNTIL(il_future_done(s->serving));
	hear_line(&b);
	end(&b);
	end(&a);
}

static void close_down(const struct service *s, struct chat *x)
{
	struct peer p = enter(s, x, "Hal\n");

	ask(&p, "close\n");
	check_refused(il_server_port(s->server));
	ask(&p, "still here\n");
	leave(&p, il_stream_destroy);
}

/* ---- what they see ---- */

static const char expected[] = "server: service_init\n"
			       "client 1: on_connection\n"
			       "peer 1 hears \"name?\"\n"
			       "client 1: is Ada\n"
			       "peer 1 hears \"welcome\"\n"
			       "client 1: \"hello\"\n"
			       "peer 1 hears \"hello\"\n"
			       "client 1: \"one\"\n"
			       "client 1: \"two\"\n"
			       "peer 1 hears \"one\"\n"
			       "peer 1 hears \"which two?\"\n"
			       "peer 1 hears \"<first><second>\"\n"
			       "client 1: EMSGSIZE\n"
			       "peer 1 hears \"too long\"\n"
			       "client 1: \"after it\"\n"
			       "peer 1 hears \"after it\"\n"
			       "client 1: \"job\"\n"
			       "peer 1 hears \"810, told: 1\"\n"
			       "client 1: \"bye\"\n"
			       "client 1: on_disconnection\n"
			       "peer 1 is alone\n"
			       "client 2: on_connection\n"
			       "peer 2 hears \"name?\"\n"
			       "client 2: is Bob\n"
			       "peer 2 hears \"welcome\"\n"
			       "client 2: \"fail\"\n"
			       "client 2: handle returns EIO\n"
			       "client 2: on_disconnection\n"
			       "peer 2 is alone\n"
			       "client 3: on_connection\n"
			       "peer 3 hears \"name?\"\n"
			       "client 3: is nobody\n"
			       "peer 3 is alone\n"
			       "client 4: on_connection\n"
			       "peer 4 hears \"name?\"\n"
			       "client 4: has no name\n"
			       "client 4: on_disconnection\n"
			       "peer 4 hears \"too late\"\n"
			       "peer 4 is alone\n"
			       "client 5: on_connection\n"
			       "peer 5 hears \"name?\"\n"
			       "client 5: left, OK\n"
			       "client 5: on_disconnection\n"
			       "client 6: on_connection\n"
			       "peer 6 hears \"name?\"\n"
			       "client 6: is Cyd\n"
			       "peer 6 hears \"welcome\"\n"
			       "client 6: ECONNRESET\n"
			       "client 6: on_disconnection\n"
			       "client 7: on_connection\n"
			       "peer 7 hears \"name?\"\n"
			       "client 7: is Dan\n"
			       "peer 7 hears \"welcome\"\n"
			       "client 7: ENODATA\n"
			       "client 7: on_disconnection\n"
			       "peer 7 is alone\n"
			       "client 8: on_connection\n"
			       "peer 8 hears \"name?\"\n"
			       "client 8: is Eve\n"
			       "peer 8 hears \"welcome\"\n"
			       "client 8: ETIMEDOUT\n"
			       "client 8: on_disconnection\n"
			       "peer 8 is alone\n"
			       "client 9: on_connection\n"
			       "peer 9 hears \"name?\"\n"
			       "client 9: is Fay\n"
			       "peer 9 hears \"welcome\"\n"
			       "client 10: on_connection\n"
			       "peer 10 hears \"name?\"\n"
			       "client 10: is Guy\n"
			       "peer 10 hears \"welcome\"\n"
			       "client 9: \"nap\"\n"
			       "peer 9 hears \"good night\"\n"
			       "client 10: \"shutdown\"\n"
			       "client 10: on_disconnection\n"
			       "client 9: nap, ECANCELED\n"
			       "client 9: handle returns ECANCELED\n"
			       "client 9: on_disconnection\n"
			       "background: ECANCELED\n"
			       "server: the exit stack runs\n"
			       "peer 10 hears \"shutdown\"\n"
			       "peer 10 is alone\n"
			       "peer 9 is alone\n"
			       "serve: OK\n"
			       "server: service_init\n"
			       "client 11: on_connection\n"
			       "peer 11 hears \"name?\"\n"
			       "client 11: is Hal\n"
			       "peer 11 hears \"welcome\"\n"
			       "client 11: \"close\"\n"
			       "peer 11 hears \"close\"\n"
			       "client 11: \"still here\"\n"
			       "peer 11 hears \"still here\"\n"
			       "client 11: gone\n"
			       "client 11: on_disconnection\n"
			       "background: ECANCELED\n"
			       "server: the exit stack runs\n"
			       "serve: OK\n";

IL_TEST_REAL(M, n254_the_same_transcript_on_every_loop)
{
	struct chat *x = calloc(1, sizeof *x);
	struct service s;

	CHECK(x != NULL);
	CHECK_RC(il_event_create(&x->told), 0);
	x->name_patience = x->line_patience = IL_FOREVER;
	service_start(&s, &chat_handler, x, il_protocol_lines(),
		      &(il_server_options){.max_packet = 100});
	talk(&s, x);
	misbehave(&s, x);
	part(&s, x);
	note(x, "serve: %s\n", il_error_name(service_result(&s)));
	service_run(&s);
	close_down(&s, x);
	note(x, "serve: %s\n", il_error_name(service_result(&s)));
	il_server_destroy(s.server);
	CHECK_STR(x->text, expected);
	CHECK_LOGGED(IL_LOG_ERROR, "", 3); /* fail, nobody, Eve */
	CHECK_LOGGED(IL_LOG_WARNING, "", 0);
	il_event_destroy(x->told);
	free(x);
}
