/*
 * fd_poll.c: what the system says of a descriptor now, before a driver or a loop has to do with it. Any thread.
 */
#include "../base/error.h"
#include "fd.h"

#include <poll.h>

/* What poll(2) says now: files that are always ready never reach a driver, which could not watch
 * them; numbers that are no descriptor are told alike on every loop. */
int il__fd_poll(int number, unsigned mask)
{
	struct pollfd p = {.fd = number};
	int n;

	p.events = (short)((mask & IL_READABLE ? POLLIN : 0) | (mask & IL_WRITABLE ? POLLOUT : 0) |
			   (mask & IL_PRIORITY ? POLLPRI : 0));
	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return il__no_words(-errno);
	if (p.revents & POLLNVAL)
		return -EBADF;
	if (p.revents & (POLLERR | POLLHUP))
		return (int)mask;
	return (int)((p.revents & POLLIN ? IL_READABLE : 0u) |
		     (p.revents & POLLOUT ? IL_WRITABLE : 0u) |
		     (p.revents & POLLPRI ? IL_PRIORITY : 0u));
}
