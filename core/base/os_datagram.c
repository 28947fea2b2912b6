/*
 * os_datagram.c: datagrams, several by one system call. Linux has recvmmsg and sendmmsg; elsewhere they go one by
 * one, and what fails after the first is met again by the next call. Never waits, raises no SIGPIPE. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os_datagram.h"
#include "base.h"
#include "os.h"

/* ---- one ---- */

static int datagram_receive_one(int fd, struct il__os_message *m)
{
	ssize_t n;

	do
		n = recvmsg(fd, &m->header, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	m->size = n < 0 ? 0 : (unsigned)n;
	return n < 0 ? -errno : 1;
}

static int datagram_send_one(int fd, struct il__os_message *m)
{
	ssize_t n = il__os_sendmsg(fd, &m->header);

	m->size = n < 0 ? 0 : (unsigned)n;
	return n < 0 ? (int)n : 1;
}

/* ---- several ---- */

#if IL__LINUX

_Static_assert(sizeof(struct il__os_message) == sizeof(struct mmsghdr) &&
		   offsetof(struct il__os_message, size) == offsetof(struct mmsghdr, msg_len),
	       "a message is the system's");

int il__os_receive_messages(int fd, struct il__os_message *messages, int count)
{
	int n;

	if (count == 1)
		return datagram_receive_one(fd, messages);
	do
		n = recvmmsg(fd, (struct mmsghdr *)messages, (unsigned)count, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int il__os_send_messages(int fd, struct il__os_message *messages, int count)
{
	int n;

	if (count == 1)
		return datagram_send_one(fd, messages);
	do
		n = sendmmsg(fd, (struct mmsghdr *)messages, (unsigned)count,
			     MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

#else

static int datagram_each(int fd, struct il__os_message *messages, int count,
			 int (*one)(int fd, struct il__os_message *m))
{
	int done = 0, rc = 1;

	while (rc > 0 && done < count) {
		rc = one(fd, &messages[done]);
		done += rc > 0;
	}
	return done ? done : rc;
}

int il__os_receive_messages(int fd, struct il__os_message *messages, int count)
{
	return datagram_each(fd, messages, count, datagram_receive_one);
}

int il__os_send_messages(int fd, struct il__os_message *messages, int count)
{
	return datagram_each(fd, messages, count, datagram_send_one);
}

#endif
