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

static int receive_and_keep(il_client *client, void *data)
{
	il_client **kept = data;
	il_packet p;
	int rc;

	if (*kept) { /* the end, once somebody waits to reply */
		UNTIL(atomic_load(&refused) > 0);
		return 0;
	}
	rc = il_client_receive(client, &p, IL_FOREVER);
	if (rc > 0)
		*kept = il_client_ref(client);
	return rc;
}

static const il_handler keeping = {.handle = receive_and_keep};

static int side_reply(void *arg)
{
	struct side *s = arg;

	return il_client_send(s->object, "late", 4);
}

IL_TEST_REAL(R, n359_a_reply_that_waits_for_room_outlasts_its_peer)
{
	struct side replier = {.size = 0};
	il_client *kept = NULL;
	il_datagram *peer;
	struct service s;
	int rc;

	udp_start(&s, &keeping, &kept, NULL, NULL);
	peer = udp_peer(&s);
	atomic_store(&refused, 0);
	udp_say(peer, "hello");
	UNTIL(kept != NULL);
	atomic_store(&full, true);
	side_start(&replier, side_reply, kept);
	UNTIL(atomic_load(&refused) > 0);
	UNTIL(il_server_clients(s.server) == 0); /* its peer is forgotten */
	CHECK(!replier.ended);
	atomic_store(&full, false);
	rc = side_join(&replier);
	CHECK(rc == 0 || rc == -EBADF);
	il_client_unref(kept);
	il_datagram_destroy(peer);
	service_end(&s);
}
