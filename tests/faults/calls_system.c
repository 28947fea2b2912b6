/*
 * calls_system.c: what makes and describes descriptors, sockets, files, threads and processes. They fail or pass as they
 * are.
 */
#include "shim.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* WRAP(call, type, name, result of a failure, (parameters), (arguments)) */
#define WRAP(call, type, name, failure, parameters, arguments) \
	FAULT_EXPORT type name parameters                      \
	{                                                      \
		if (fault_hit(call, FAULT_CALLER))             \
			return failure;                        \
		return FAULT_NEXT(name) arguments;             \
	}

/* One that returns its error. */
#define WRAP_RETURNS(call, name, parameters, arguments)            \
	FAULT_EXPORT int name parameters                           \
	{                                                          \
		int error = fault_hit(call, FAULT_CALLER);         \
		return error ? error : FAULT_NEXT(name) arguments; \
	}

/* ---- descriptors ---- */

WRAP(CALL_EVENTFD, int, eventfd, -1, (unsigned value, int flags), (value, flags))
WRAP(CALL_TIMERFD, int, timerfd_create, -1, (clockid_t clock, int flags), (clock, flags))
WRAP(CALL_PIPE, int, pipe2, -1, (int fds[2], int flags), (fds, flags))
WRAP(CALL_MEMFD, int, memfd_create, -1, (const char *name, unsigned flags), (name, flags))
WRAP(CALL_FTRUNCATE, int, ftruncate, -1, (int fd, off_t size), (fd, size))
WRAP(CALL_PTY, int, posix_openpt, -1, (int flags), (flags))

FAULT_EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) &&
	    fault_hit(CALL_FCNTL, FAULT_CALLER))
		return -1;
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

/* ---- sockets ---- */

WRAP(CALL_SOCKET, int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(CALL_SOCKETPAIR, int, socketpair, -1, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(CALL_ACCEPT, int, accept4, -1,
     (int fd, struct sockaddr *restrict from, socklen_t *restrict size, int flags),
     (fd, from, size, flags))
WRAP(CALL_BIND, int, bind, -1, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
WRAP(CALL_LISTEN, int, listen, -1, (int fd, int backlog), (fd, backlog))
WRAP(CALL_CONNECT, int, connect, -1, (int fd, const struct sockaddr *to, socklen_t size),
     (fd, to, size))
WRAP(CALL_GETSOCKNAME, int, getsockname, -1,
     (int fd, struct sockaddr *restrict name, socklen_t *restrict size), (fd, name, size))
WRAP(CALL_GETPEERNAME, int, getpeername, -1,
     (int fd, struct sockaddr *restrict name, socklen_t *restrict size), (fd, name, size))
WRAP(CALL_SETSOCKOPT, int, setsockopt, -1,
     (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size))
WRAP(CALL_GETSOCKOPT, int, getsockopt, -1,
     (int fd, int level, int name, void *restrict value, socklen_t *restrict size),
     (fd, level, name, value, size))
WRAP(CALL_SHUTDOWN, int, shutdown, -1, (int fd, int how), (fd, how))

FAULT_EXPORT int getaddrinfo(const char *restrict node, const char *restrict service,
			     const struct addrinfo *restrict hints,
			     struct addrinfo **restrict result)
{
	int error = fault_hit(CALL_GETADDRINFO, FAULT_CALLER);

	if (!error)
		return FAULT_NEXT(getaddrinfo)(node, service, hints, result);
	errno = error == EAI_SYSTEM ? EMFILE : 0;
	return error;
}

/* ---- threads ---- */

WRAP_RETURNS(CALL_THREAD, pthread_create,
	     (pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
	      void *(*start)(void *), void *restrict argument),
	     (thread, attributes, start, argument))
WRAP_RETURNS(CALL_ATTRIBUTES, pthread_attr_init, (pthread_attr_t * attributes), (attributes))

/* ---- processes ---- */

FAULT_EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *argument, ...)
{
	va_list more;
	void *parent, *tls, *child;

	va_start(more, argument);
	parent = va_arg(more, void *);
	tls = va_arg(more, void *);
	child = va_arg(more, void *);
	va_end(more);
	if (fault_hit(CALL_CLONE, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(clone)(fn, stack, flags, argument, parent, tls, child);
}

WRAP_RETURNS(CALL_SPAWN, posix_spawn,
	     (pid_t *restrict pid, const char *restrict path,
	      const posix_spawn_file_actions_t *restrict actions,
	      const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
	      char *const environment[restrict]),
	     (pid, path, actions, attributes, argv, environment))
WRAP_RETURNS(CALL_SPAWN_ACTIONS, posix_spawn_file_actions_addopen,
	     (posix_spawn_file_actions_t *restrict actions, int fd, const char *restrict path,
	      int flags, mode_t mode),
	     (actions, fd, path, flags, mode))
WRAP_RETURNS(CALL_SPAWN_ACTIONS, posix_spawn_file_actions_adddup2,
	     (posix_spawn_file_actions_t * actions, int fd, int to), (actions, fd, to))
WRAP_RETURNS(CALL_SPAWN_ACTIONS, posix_spawn_file_actions_addclosefrom_np,
	     (posix_spawn_file_actions_t * actions, int fd), (actions, fd))
WRAP_RETURNS(CALL_SPAWN_ACTIONS, posix_spawn_file_actions_addchdir_np,
	     (posix_spawn_file_actions_t *restrict actions, const char *restrict path),
	     (actions, path))
WRAP(CALL_WAITID, int, waitid, -1, (idtype_t type, id_t id, siginfo_t *info, int options),
     (type, id, info, options))
WRAP(CALL_WAITPID, pid_t, waitpid, -1, (pid_t pid, int *status, int options),
     (pid, status, options))
WRAP(CALL_SIGTIMEDWAIT, int, sigtimedwait, -1,
     (const sigset_t *restrict set, siginfo_t *restrict info,
      const struct timespec *restrict timeout),
     (set, info, timeout))

/* A wake-up of a futex has no errors. */
static enum fault_call call_of_number(long number, long operation)
{
	if (number == SYS_pidfd_open)
		return CALL_PIDFD_OPEN;
	return number == SYS_futex && (operation & FUTEX_CMD_MASK) != FUTEX_WAKE ? CALL_FUTEX
										 : CALLS;
}

FAULT_EXPORT long syscall(long number, ...)
{
	va_list arguments;
	long a[6];
	enum fault_call call;

	va_start(arguments, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	call = call_of_number(number, a[1]);
	if (call != CALLS && fault_hit(call, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- files ---- */

FAULT_EXPORT int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	if (fault_hit(CALL_OPEN, FAULT_CALLER))
		return -1;
	return FAULT_NEXT(open)(path, flags, mode);
}

WRAP(CALL_STAT, int, stat, -1, (const char *restrict path, struct stat *restrict status),
     (path, status))
WRAP(CALL_LSTAT, int, lstat, -1, (const char *restrict path, struct stat *restrict status),
     (path, status))
WRAP(CALL_FSTAT, int, fstat, -1, (int fd, struct stat *status), (fd, status))
WRAP(CALL_READLINK, ssize_t, readlink, -1,
     (const char *restrict path, char *restrict text, size_t size), (path, text, size))
WRAP(CALL_REALPATH, char *, realpath, NULL, (const char *restrict path, char *restrict text),
     (path, text))
WRAP(CALL_CHMOD, int, chmod, -1, (const char *path, mode_t mode), (path, mode))
WRAP(CALL_LINK, int, link, -1, (const char *from, const char *to), (from, to))
WRAP(CALL_RENAME, int, rename, -1, (const char *from, const char *to), (from, to))
WRAP(CALL_UNLINK, int, unlink, -1, (const char *path), (path))
WRAP(CALL_DLOPEN, void *, dlopen, NULL, (const char *path, int mode), (path, mode))
WRAP(CALL_FOPEN, FILE *, fopen, NULL, (const char *restrict path, const char *restrict mode),
     (path, mode))
