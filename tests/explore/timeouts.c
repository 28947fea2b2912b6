/*
 * timeouts.c: clients that are silent, slow, greedy, or gone: a server gets rid of each by its time limits, and not before.
 */
#include "explore.h"

#define FIRST   IL_SEC(3)
#define REQUEST IL_SEC(2)
#define IDLE    IL_SEC(5)
#define SEND    IL_SEC(4)

enum { CLIENTS = 4, LARGE = 300000 };

struct service {
	struct explore_clients clients; /* first */
	il_virtual_network *n;
	il_server *server;
};

/* "more" is a large reply, anything else an echo. */
static int service_answer(il_client *client, void *data)
{
	static const char large[LARGE];
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	(void)data;
	if (rc <= 0)
		return rc;
	if (strcmp(p.data, "more") == 0)
		return il_client_send(client, large, sizeof large);
	return il_client_send(client, p.data, p.size);
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
	int rc;

	MUST_DO(il_tcp_server_open(&s->server, NULL, "7", il_protocol_lines(), &handler, s, &o));
	rc = il_server_serve(s->server);
	il_server_destroy(s->server);
	s->server = NULL;
	return rc;
}

/* Until the server ends it: how long that takes at least, and if it has answered. A request may never have come there. */
static int read_to_the_end(il_stream *s, il_time unanswered, il_time answered)
{
	const il_time begun = il_now();
	il_time least = unanswered;
	char data[4096];
	int rc;

	while ((rc = il_stream_read(s, data, sizeof data)) > 0)
		least = answered;
	MUST(rc < 0 || il_now() - begun >= least);
	return rc;
}

static int misbehave(struct service *s, il_stream *stream)
{
	switch (draw(s->n, 5)) {
	case 0: /* silent */
		return read_to_the_end(stream, FIRST, FIRST);
	case 1: /* half a request */
		MUST_DO(il_stream_write_all(stream, "hal", 3));
		return read_to_the_end(stream, REQUEST, REQUEST);
	case 2: /* slow */
		for (int i = 0; i < 20; i++) {
			int rc = il_stream_write_all(stream, "x", 1);
			if (rc < 0)
				return rc;
			MUST_DO(il_sleep(IL_MSEC(500)));
		}
		return 0;
	case 3: /* takes nothing */
		MUST_DO(il_stream_write_all(stream, "more\nmore\n", 10));
		return il_sleep(IL_SEC(40));
	default: /* one request, then silent */
		MUST_DO(il_stream_write_all(stream, "hello\n", 6));
		return read_to_the_end(stream, FIRST, IDLE);
	}
}

static int use(void *arg)
{
	struct service *s = arg;

	for (int i = 0; i < 2; i++) {
		il_stream *stream = NULL;
		int rc = il_stream_connect_tcp(&stream, "server", "7",
					       &(il_connect_options){.timeout = IL_SEC(10)});
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

	MUST_DO(il_virtual_host_start(s->n, "server", serve, s));
	MUST_DO(il_sleep(IL_MSEC(1)));
	for (int i = 1; i <= CLIENTS; i++)
		MUST_DO(il_virtual_host_start(s->n, hosts[i], use, s));
	MUST_DO(explore_break_links(s->n, hosts, 1 + CLIENTS));
	for (int i = 1; i <= CLIENTS; i++)
		if (draw(s->n, 2))
			il_virtual_host_crash(s->n, hosts[i]);
	for (int i = 1; i <= CLIENTS; i++) {
		int rc = il_virtual_host_wait(s->n, hosts[i], IL_SEC(600));
		MUST(rc >= 0 || rc == -ECANCELED);
	}
	MUST_DO(il_sleep(FIRST + REQUEST + IDLE + SEND));
	MUST(il_server_clients(s->server) == 0);
	MUST(s->clients.connected == s->clients.disconnected);
	return 0;
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
