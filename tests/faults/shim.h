/*
 * shim.h: the inside of libfault.so.
 */
#ifndef FAULT_SHIM_H
#define FAULT_SHIM_H

#include "fault.h"

#include <errno.h>
#include <stddef.h>

/* Calls that may fail. */
enum fault_call {
	CALL_MEMORY,
	CALL_MMAP,
	CALL_MPROTECT,
	CALL_MADVISE,
	CALL_THREAD,
	CALL_ATTRIBUTES,
	CALL_EVENTFD,
	CALL_TIMERFD,
	CALL_SOCKET,
	CALL_SOCKETPAIR,
	CALL_ACCEPT,
	CALL_BIND,
	CALL_LISTEN,
	CALL_CONNECT,
	CALL_PIPE,
	CALL_FCNTL,
	CALL_MEMFD,
	CALL_FTRUNCATE,
	CALL_GETSOCKNAME,
	CALL_GETPEERNAME,
	CALL_SETSOCKOPT,
	CALL_GETSOCKOPT,
	CALL_SHUTDOWN,
	CALL_RECV,
	CALL_SEND,
	CALL_RECVMSG,
	CALL_SENDMSG,
	CALL_RECVMMSG,
	CALL_SENDMMSG,
	CALL_SENDFILE,
	CALL_READ,
	CALL_WRITE,
	CALL_WRITEV,
	CALL_PREAD,
	CALL_PWRITE,
	CALL_POLL,
	CALL_CLONE,
	CALL_SPAWN,
	CALL_SPAWN_ACTIONS,
	CALL_WAITID,
	CALL_WAITPID,
	CALL_PIDFD_OPEN,
	CALL_FUTEX,
	CALL_GETADDRINFO,
	CALL_OPEN,
	CALL_STAT,
	CALL_LSTAT,
	CALL_FSTAT,
	CALL_READLINK,
	CALL_REALPATH,
	CALL_CHMOD,
	CALL_LINK,
	CALL_RENAME,
	CALL_UNLINK,
	CALL_PTY,
	CALL_SIGTIMEDWAIT,
	CALL_DLOPEN,
	CALL_FOPEN,
	CALL_EPOLL_CREATE,
	CALL_EPOLL_CTL,
	CALL_EPOLL_WAIT,
	CALLS
};

/* Not an error: the call does one byte of what was asked for. */
enum { FAULT_SHORT = -1 };

struct fault_entry {
	struct fault_kind kind;
	enum fault_call call;
	int error; /* FAULT_SHORT or an errno, which is set unless the call returns its errors */
};

extern const struct fault_entry fault_entries[];
extern const int fault_entry_count;

/* Whether this call fails, from here: 0, FAULT_SHORT, or the error; errno is set to it. */
int fault_hit(enum fault_call call, const void *caller);

/* Whether the library called. */
bool fault_is_ours(const void *caller);

/* ---- live blocks ---- */
void fault_live_watch(bool on);
void fault_live_add(const void *block, const void *caller);
void fault_live_remove(const void *block);
long fault_live_count(void);

#define FAULT_CALLER __builtin_return_address(0)
/* The function that this one stands before. */
#define FAULT_NEXT(name)                                                    \
	({                                                                  \
		static __typeof__(&name) next_;                             \
		if (!next_)                                                 \
			next_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
		next_;                                                      \
	})
#define FAULT_EXPORT __attribute__((visibility("default")))

#endif
