/*
 * r_net.h: what the tests of datagrams share: sockets on the loopback interface, texts that travel between them, a
 * task that receives or sends while the test goes on, and a folder for Unix sockets.
 */
#ifndef IL_TESTS_R_NET_H
#define IL_TESTS_R_NET_H

#include "l_net.h"

/* ---- sockets ---- */

static inline il_datagram *bound(const char *host)
{
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_open_udp(&d, host, "0", NULL), 0);
	CHECK(il_datagram_port(d) > 0);
	return d;
}

static inline il_address address_of(const il_datagram *d)
{
	il_address a;

	CHECK_RC(il_datagram_local_address(d, &a), 0);
	return a;
}

/* Connected to a socket of this machine. */
static inline il_datagram *connected_to(uint16_t port)
{
	il_datagram *d = NULL;
	char text[8];

	CHECK_RC(il_datagram_connect_udp(&d, "127.0.0.1", port_text(port, text), NULL), 0);
	return d;
}

static inline bool same_address(const il_address *a, const il_address *b)
{
	char x[IL_ADDRESS_TEXT_MAX], y[IL_ADDRESS_TEXT_MAX];

	il_address_text(a, x, sizeof x);
	il_address_text(b, y, sizeof y);
	return strcmp(x, y) == 0;
}

/* ---- texts ---- */

static inline void send_text(il_datagram *d, const char *text, const il_address *to)
{
	CHECK_RC(il_datagram_send(d, text, strlen(text), to), 0);
}

/* The next datagram is this text, from there (NULL: whoever). */
static inline void check_text(il_datagram *d, const char *text, const il_address *from)
{
	char data[256];
	il_address a;
	int n = il_datagram_receive(d, data, sizeof data - 1, &a);

	CHECK_RC(n, (int)strlen(text));
	data[n > 0 ? n : 0] = '\0';
	CHECK_STR(data, text);
	if (from)
		CHECK(same_address(&a, from));
}

/* Sends past the library and without letting others run. */
static inline void slip_text(const il_datagram *d, const char *text, const il_address *to)
{
	ssize_t n = sendto(il_datagram_fd(d), text, strlen(text), MSG_DONTWAIT,
			   (const struct sockaddr *)&to->storage, to->length);

	CHECK_EQ(n, (ssize_t)strlen(text));
}

/* ---- a task beside the test ---- */

static inline int side_receive(void *arg)
{
	struct side *s = arg;
	int n = il_datagram_receive(s->object, s->text, sizeof s->text - 1, NULL);

	s->text[n > 0 ? n : 0] = '\0';
	return n;
}

/* ---- a folder for Unix sockets, which is the working directory meanwhile ---- */

struct folder {
	char path[24];
	int before;
};

static inline struct folder folder_enter(void)
{
	struct folder f = {.path = "/tmp/il-test-XXXXXX"};

	CHECK(mkdtemp(f.path) != NULL);
	f.before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(chdir(f.path), 0);
	return f;
}

/* Nothing is left in it. */
static inline void folder_leave(struct folder *f)
{
	CHECK_EQ(fchdir(f->before), 0);
	close(f->before);
	CHECK_EQ(rmdir(f->path), 0);
}

#endif
