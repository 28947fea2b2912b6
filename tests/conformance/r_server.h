/*
 * r_server.h: what the tests of UDP servers share: a server on the loopback interface, and peers, which are connected
 * datagram sockets of the test's task.
 */
#ifndef IL_TESTS_R_SERVER_H
#define IL_TESTS_R_SERVER_H

#include "m_server.h"

static inline void udp_start(struct service *s, const il_handler *handler, void *data,
			     const il_protocol *protocol, const il_server_options *options)
{
	CHECK_RC(il_udp_server_open(&s->server, "127.0.0.1", "0", protocol, handler, data, options),
		 0);
	CHECK(il_server_port(s->server) > 0);
	service_run(s);
}

static inline il_datagram *udp_peer_at(const struct service *s, const char *host)
{
	il_datagram *d = NULL;
	char text[8];
	const char *port = port_text(il_server_port(s->server), text);

	CHECK_RC(il_datagram_connect_udp(&d, host, port, NULL), 0);
	return d;
}

static inline il_datagram *udp_peer(const struct service *s)
{
	return udp_peer_at(s, "127.0.0.1");
}

static inline il_datagram *udp_start_with_peer(struct service *s, const il_handler *handler,
					       void *data, const il_protocol *protocol,
					       const il_server_options *options)
{
	udp_start(s, handler, data, protocol, options);
	return udp_peer(s);
}

static inline void udp_end_with_peer(struct service *s, il_datagram *d)
{
	il_datagram_destroy(d);
	service_end(s);
}

static inline void udp_say(il_datagram *d, const char *text)
{
	CHECK_RC(il_datagram_send(d, text, strlen(text), NULL), 0);
}

static inline void udp_hear(il_datagram *d, const char *text)
{
	char data[256];
	int n = il_datagram_receive(d, data, sizeof data - 1, NULL);

	CHECK_RC(n, (int)strlen(text));
	data[n > 0 ? n : 0] = '\0';
	CHECK_STR(data, text);
}

/* Sends past the library and without letting others run: what a peer does at its own time. */
static inline void udp_slip(const il_datagram *d, const char *text)
{
	CHECK_EQ(send(il_datagram_fd(d), text, strlen(text), MSG_DONTWAIT), (ssize_t)strlen(text));
}

#define UDP_ASK(peer, question, answer)      \
	do {                                 \
		udp_say((peer), (question)); \
		udp_hear((peer), (answer));  \
	} while (0)

static inline il_server_statistics udp_statistics(const struct service *s)
{
	il_server_statistics st;

	CHECK_RC(il_server_get_statistics(s->server, &st), 0);
	return st;
}

/* ---- a handler that works until it is woken, except on "quick" ---- */

struct work {
	struct visits v;
	il_event *wake;
	int inside, most; /* how many handlers work, and did at a time */
};

static inline int work_until_woken(il_client *client, void *data)
{
	struct work *w = data;
	il_packet p;
	int rc = visit_receive(client, &w->v, &p, IL_FOREVER);

	if (rc <= 0)
		return rc;
	if (packet_is(&p, "quick"))
		return reply(client, "at once");
	w->inside++;
	w->most = w->inside > w->most ? w->inside : w->most;
	rc = il_event_wait(w->wake);
	w->inside--;
	return rc < 0 ? rc : il_client_send(client, p.data, p.size);
}

static inline int work_begin(il_client *client, void *data)
{
	return visit_begin(client, &((struct work *)data)->v);
}

static inline void work_end(il_client *client, void *data)
{
	visit_end(client, &((struct work *)data)->v);
}

static inline void work_serve(struct service *s, struct work *w, const il_server_options *options)
{
	static const il_handler handler = {
	    .on_connection = work_begin, .handle = work_until_woken, .on_disconnection = work_end};

	*w = (struct work){.wake = NULL};
	CHECK_RC(il_event_create(&w->wake), 0);
	udp_start(s, &handler, w, NULL, options);
}

/* A new peer, whose datagram is being worked on. */
static inline il_datagram *work_give(const struct service *s, const struct work *w,
				     const char *text)
{
	const int before = w->inside;
	il_datagram *d = udp_peer(s);

	udp_say(d, text);
	UNTIL(w->inside == before + 1);
	return d;
}

#endif
