/*
 * os_datagram.h: several datagrams by one system call, where there is one (os_datagram.c). Any thread.
 */
#ifndef IL_CORE_BASE_OS_DATAGRAM_H
#define IL_CORE_BASE_OS_DATAGRAM_H

#include <sys/socket.h>

/* One datagram of a batch: its pieces and its address are the caller's. */
struct il__os_message {
	struct msghdr header;
	unsigned size; /* received or sent */
};

/* Without waiting: how many, 1 or more; or a negated errno code, never -EINTR: nothing was received or sent. */
int il__os_receive_messages(int fd, struct il__os_message *messages, int count);
int il__os_send_messages(int fd, struct il__os_message *messages, int count);

#endif
