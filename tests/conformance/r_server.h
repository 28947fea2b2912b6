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
	char port[8];

	snprintf(port, sizeof port, "%u", (unsigned)il_server_port(s->server));
	CHECK_RC(il_datagram_connect_udp(&d, host, port, NULL), 0);
	return d;
}

static inline il_datagram *udp_peer(const struct service *s)
{
	return udp_peer_at(s, "127.0.0.1");
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

#endif
