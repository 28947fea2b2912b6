/*
 * timeouts.c: clients that are silent, slow, greedy, or gone: a server gets rid of each by its time limits, neither before nor
 * later. Where nothing fails a client sees that, too.
 */
#include "explore.h"

#define FIRST   IL_SEC(3)
#define REQUEST IL_SEC(2)
#define IDLE    IL_SEC(5)
#define SEND    IL_SEC(4)
#define CONNECT IL_SEC(4)
#define LATENCY IL_MSEC(30) /* one way, at most, where nothing fails */

enum { CLIENTS = 4, LARGE = 300000 };

struct service {
	struct explore_clients clients; /* first */
	il_virtual_network *n;
	il_server *server;
	bool quiet; /* nothing fails, but machines */
	int early;  /* packets that were given up before their time */
};

/* However a handler waits, and however often, the limits hold. */
static int service_receive(struct service *s, il_client *client, il_packet *p)
{
	const il_time most = draw(s->n, 2) ? IL_FOREVER : IL_MSEC(1) + draw_time(s->n, 2000);
	int rc = draw(s->n, 2) ? 0 : explore_select(client, s, most);

	return rc < 0 && rc != -ETIMEDOUT ? rc : explore_receive(client, s, p, most);
}

static int service_send(struct service *s, il_client *client, const void *data, size_t size)
{
	const il_time begun = il_now();
	int rc = explore_send(client, s, data, size);

	s->early += s->quiet && rc == -EPIPE && il_now() < begun + SEND;
	return rc;
}

/* "more" is a large reply, anything else an echo. After -ETIMEDOUT it is called again. */
static int service_answer(il_client *client, void *data)
{
	static const char large[LARGE];
	il_packet p;
	int rc = service_receive(data, client, &p);

	if (rc <= 0)
		return rc == -ETIMEDOUT ? 0 : rc;
	if (strcmp(p.data, "more") == 0)
		return service_send(data, client, large, sizeof large);
	return service_send(data, client, p.data, p.size);
}

static int serve(void *arg)
{
	static const il_handler handler = {.on_connection = explore_connected,
					   .handle = service_answer,
					   .on_disconnection = explore_disconnected};
	static const il_server_options o = {.first_request_timeout = FIRST,
					    .request_timeout = REQUEST,
					    .idle_timeout = IDLE,
					    .send_timeout = SEND};
	struct service *s = arg;
	const il_protocol lines = explore_lines();
	int rc;

	s->clients.limits = &o;
	MUST_DO(il_tcp_server_open(&s->server, NULL, "7", &lines, &handler, s, &o));
	rc = il_server_serve(s->server);
	il_server_destroy(s->server);
	s->server = NULL;
	return rc;
}

/* Until the server ends it, which takes `limit`, or where a request may never have come there at least FIRST. */
static int read_to_the_end(struct service *s, il_stream *stream, il_time limit)
{
	const il_time begun = il_now();
	il_time least = limit < FIRST ? limit : FIRST, took;
	char data[4096];
	int rc;

	while ((rc = il_stream_read(stream, data, sizeof data)) > 0)
		least = limit;
	took = il_now() - begun;
	MUST(rc < 0 || took >= least);
	MUST(!s->quiet || took <= limit + 2 * LATENCY);
	return rc;
}

/* From its beginning on, or after a request and a pause. */
static int be_slow(struct service *s, il_stream *stream)
{
	int rc = 0;

	if (draw(s->n, 2)) {
		MUST_DO(il_stream_write_all(stream, "hello\n", 6));
		MUST_DO(il_sleep(draw_time(s->n, 5000)));
	}
	for (int i = 0; rc == 0 && i < 20; i++) {
		rc = il_stream_write_all(stream, "x", 1);
		if (rc == 0)
			rc = il_sleep(IL_MSEC(500));
	}
	return rc;
}

static int misbehave(struct service *s, il_stream *stream)
{
	switch (draw(s->n, 5)) {
	case 0: /* silent */
		return read_to_the_end(s, stream, FIRST);
	case 1: /* half a request */
		MUST_DO(il_stream_write_all(stream, "hal", 3));
		return read_to_the_end(s, stream, REQUEST);
	case 2:
		return be_slow(s, stream);
	case 3: /* takes nothing */
		MUST_DO(il_stream_write_all(stream, "more\nmore\n", 10));
		return il_sleep(IL_SEC(40));
	default: /* one request, then silent */
		MUST_DO(il_stream_write_all(stream, "hello\n", 6));
		return read_to_the_end(s, stream, IDLE);
	}
}

static int use(void *arg)
{
	const il_connect_options o = {.timeout = CONNECT};
	struct service *s = arg;

	for (int i = 0; i < 2; i++) {
		il_stream *stream = NULL;
		int rc;
		MUST_END_IN(CONNECT, rc = il_stream_connect_tcp(&stream, "server", "7", &o));
		if (rc == 0)
			rc = misbehave(s, stream);
		il_stream_destroy(stream);
		if (rc < 0 && !explore_is_failure(rc))
			return rc;
		MUST_DO(il_sleep(draw_time(s->n, 500)));
	}
	return 0;
}

static int run(struct service *s)
{
	static const char *const hosts[] = {"server", "a", "b", "c", "d"};
	const il_virtual_link_options well = {.latency_min = IL_MSEC(1), .latency_max = LATENCY};

	s->quiet = draw(s->n, 4) == 0;
	if (s->quiet)
		MUST_DO(il_virtual_link(s->n, NULL, NULL, &well));
	MUST_DO(il_virtual_host_start(s->n, "server", serve, s));
	MUST_DO(il_sleep(IL_MSEC(1)));
	for (int i = 1; i <= CLIENTS; i++)
		MUST_DO(il_virtual_host_start(s->n, hosts[i], use, s));
	MUST_DO(s->quiet ? il_sleep(draw_time(s->n, 8000))
			 : explore_break_links(s->n, hosts, 1 + CLIENTS));
	for (int i = 1; i <= CLIENTS; i++)
		if (draw(s->n, 2))
			il_virtual_host_crash(s->n, hosts[i]);
	for (int i = 1; i <= CLIENTS; i++) {
		int rc = il_virtual_host_wait(s->n, hosts[i], IL_SEC(600));
		if (rc != -ECANCELED) /* as of one that has crashed */
			MUST_DO(rc);
	}
	MUST_DO(il_sleep(FIRST + REQUEST + IDLE + SEND));
	MUST(il_server_clients(s->server) == 0);
	MUST(s->early == 0);
	return explore_check_clients(&s->clients);
}

int explore_timeouts(void *arg)
{
	struct service s = {.n = NULL};
	int rc = explore_open(&s.n, false);

	(void)arg;
	if (rc < 0)
		return rc;
	rc = run(&s);
	il_virtual_network_close(s.n);
	return rc;
}
