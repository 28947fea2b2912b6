/*
 * r_udp_server_room.c: replies for which the system has no room: they wait, and whom they are for may go meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "r_server.h"

#include <dlfcn.h>

/* ---- a system without room for datagrams ---- */

static atomic_bool full;
static atomic_int refused;

/* What the system reads where no sanitizer sees it. */
static void look_at(const void *address, size_t size)
{
	const volatile unsigned char *bytes = address;

	for (size_t i = 0; bytes && i < size; i++)
		(void)bytes[i];
}

/* Under the system's name. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int);
	int type = 0;
	socklen_t length = sizeof type;

	look_at(message->msg_name, message->msg_namelen);
	if (atomic_load(&full) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
	    type == SOCK_DGRAM) {
		atomic_fetch_add(&refused, 1);
		errno = EAGAIN;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "sendmsg");
	return real(fd, message, flags);
}

/* ---- replies that wait ---- */

struct kept {
	il_client *clients[2];
	int count;
};

/* Says hello, and that the test has the client. */
static int receive_and_keep(il_client *client, void *data)
{
	struct kept *k = data;
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc > 0 && packet_is(&p, "hello"))
		k->clients[k->count++] = il_client_ref(client);
	return rc <= 0 ? rc : reply(client, "kept");
}

static const il_handler keeping = {.handle = receive_and_keep};

static int side_reply(void *arg)
{
	struct side *s = arg;

	return reply(s->object, "late");
}

static void kept_start(struct service *s, struct kept *k, il_datagram *peers[2])
{
	*k = (struct kept){.count = 0};
	udp_start(s, &keeping, k, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		peers[i] = udp_peer(s);
		UDP_ASK(peers[i], "hello", "kept");
	}
	atomic_store(&refused, 0);
	atomic_store(&full, true);
}

static void kept_end(struct service *s, struct kept *k, il_datagram *peers[2])
{
	atomic_store(&full, false);
	for (int i = 0; i < 2; i++) {
		il_client_unref(k->clients[i]);
		il_datagram_destroy(peers[i]);
	}
	service_end(s);
}

IL_TEST_REAL(R, n359_closing_a_client_ends_a_reply_that_waits_for_room)
{
	struct side first, second;
	il_datagram *peers[2];
	struct kept k;
	struct service s;

	kept_start(&s, &k, peers);
	side_start(&first, side_reply, k.clients[0]);
	side_start(&second, side_reply, k.clients[0]);
	UNTIL(atomic_load(&refused) > 0);
	CHECK_RC(il_client_close(k.clients[0]), 0);
	CHECK_RC(side_join(&first), -EBADF);
	CHECK_RC(side_join(&second), -EBADF);
	UNTIL(il_server_clients(s.server) == 1);
	atomic_store(&full, false);
	UDP_ASK(peers[1], "again", "kept");
	kept_end(&s, &k, peers);
}

/* Replies to other peers wait behind it. */
IL_TEST_REAL(R, n359_closing_a_client_leaves_the_others_their_places)
{
	for (int closed = 0; closed < 2; closed++) {
		struct side sides[2];
		il_datagram *peers[2];
		struct kept k;
		struct service s;

		kept_start(&s, &k, peers);
		for (int i = 0; i < 2; i++)
			side_start(&sides[i], side_reply, k.clients[i]);
		UNTIL(atomic_load(&refused) > 0);
		CHECK_RC(il_client_close(k.clients[closed]), 0);
		CHECK_RC(side_join(&sides[closed]), -EBADF);
		CHECK(!sides[!closed].ended);
		atomic_store(&full, false);
		CHECK_RC(side_join(&sides[!closed]), 0);
		udp_hear(peers[!closed], "late");
		kept_end(&s, &k, peers);
	}
}

/* Woken, and closed before it runs: nothing is sent. */
IL_TEST_REAL(R, n359_a_reply_that_has_room_is_not_sent_for_a_closed_client)
{
	struct side sides[2];
	il_datagram *peers[2];
	struct kept k;
	struct service s;

	kept_start(&s, &k, peers);
	for (int i = 0; i < 2; i++)
		side_start(&sides[i], side_reply, k.clients[i]);
	UNTIL(atomic_load(&refused) > 0);
	CHECK_RC(il_client_close(k.clients[0]), 0);
	CHECK_RC(il_yield(), 0);
	CHECK(sides[0].ended); /* and has made the other one the sender */
	CHECK_RC(il_client_close(k.clients[1]), 0);
	atomic_store(&full, false);
	for (int i = 0; i < 2; i++)
		CHECK_RC(side_join(&sides[i]), -EBADF);
	UNTIL(il_server_clients(s.server) == 0);
	for (int i = 0; i < 2; i++)
		UDP_ASK(peers[i], "new", "kept");
	kept_end(&s, &k, peers);
}

/* With its handler's end a client is closed, too. */
IL_TEST_REAL(R, n359_a_reply_that_waits_for_room_ends_with_its_client)
{
	struct side replier;
	il_datagram *peers[2];
	struct kept k;
	struct service s;

	kept_start(&s, &k, peers);
	side_start(&replier, side_reply, k.clients[0]);
	UNTIL(atomic_load(&refused) > 0);
	CHECK_RC(il_server_shutdown(s.server), 0);
	CHECK_RC(service_result(&s), 0);
	CHECK_RC(side_join(&replier), -EBADF);
	service_run(&s);
	kept_end(&s, &k, peers);
}
