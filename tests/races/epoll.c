/*
 * epoll.c: epoll_ctl past TSan. libev forgets a descriptor lazily, and may take it out of the kernel's set while the
 * thread that has its number by now closes it. TSan would report that, by tsan.c's leave not to us; but where the
 * number is a pidfd's, which a plain system call has made, it breaks off on the way. No thread here learns anything
 * by epoll_ctl that it does not learn by a read or a write.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int epoll_ctl(int poller, int op, int fd, struct epoll_event *event)
{
	return (int)syscall(SYS_epoll_ctl, poller, op, fd, event);
}
