/*
 * os.h: the operating system: every call that only Linux has, with its fallback. Any thread.
 */
#ifndef IL_CORE_BASE_OS_H
#define IL_CORE_BASE_OS_H

#include "base.h"

#include <signal.h>
#include <sys/socket.h>

/* Of a newer system call: it is not there, or a sandbox that does not know it refuses it. So the older way is
 * tried, and says what is really the matter. */
static inline bool il__os_is_refused(int error)
{
	return error == ENOSYS || error == EPERM || error == EACCES;
}

il_time il__os_now(void);
struct timespec il__os_timespec(il_time t);

/* Waits while *word == expected, up to deadline; may wake for no reason. -ETIMEDOUT or 0. */
int il__os_futex_wait(atomic_int *word, int expected, il_time deadline);
void il__os_futex_wake(atomic_int *word, int count);

/* A wake-up descriptor: fd[0] is watched, fd[1] written (the same one for an eventfd). */
int il__os_wake_open(int fd[2]);
void il__os_wake_write(int fd);
void il__os_wake_drain(int fd);
void il__os_wake_close(int fd[2]);

/* The numbers of descriptors (os_fd.c). What each call that makes one ends with: the descriptor,
 * never 0 to 2, or a negated errno code. */
int il__os_made(int fd);
/* 0: loops can watch it; -EBADF; -EPERM: it is always ready. */
int il__os_can_watch(int fd);
/* A descriptor that is readable while fd has urgent data (POLLPRI); -ENOTSUP: not on this system, or of this fd. */
int il__os_urgent_open(int fd);
int il__os_dup(int fd); /* close-on-exec, never 0 to 2 */
/* Nobody gets 0 to 2 from here to release, where these are closed. May be nested; a negated errno
 * code. */
int il__os_stdio_hold(void);
void il__os_stdio_release(void);
/* Whether the system would give that much now. */
int il__os_probe_descriptors(int count); /* 32 at most */
int il__os_probe_memory(size_t size);

/* A descriptor that becomes readable at a deadline; -ENOTSUP where there is none. */
int il__os_timer_open(void);
/* Arms it, which also clears its readability; IL_FOREVER disarms. */
void il__os_timer_set(int fd, il_time deadline);
void il__os_timer_close(int fd);

/* Grows with each object that is loaded into the process (os_objects.c). */
unsigned long il__os_loaded_count(void);
/* A symbol of an object that is loaded, which then stays so; NULL: it is not, or has no such symbol. Only if it is there
 * another thread's dlopen, with the constructors that it calls, is waited for. */
void *il__os_loaded_symbol(const char *object, const char *symbol);

/* Where a function is, without waiting for another thread's dlopen (os_symbols.c). The strings stay as long as its
 * object does. */
struct il__os_place {
	const char *symbol; /* whose address it is; NULL: of none that the object exports */
	const char *object; /* the file's name, and how far from its begin */
	size_t offset;
};
bool il__os_find_place(const void *address, struct il__os_place *place);

/* Makes the pages fault when touched. -ENOMEM names the limit in il_error_detail(). */
int il__os_guard(void *pages, size_t size);
/* The pages' contents are not needed any more: back to the system, where it can be told. */
void il__os_discard(void *pages, size_t size);
size_t il__os_page_size(void);
void il__os_unguarded(size_t guards); /* gives the mprotect budget back */

/* Starts a thread with every signal blocked that somebody else may send, so that the kernel hands
 * it none, and else as the program was when the library was loaded. A child that it forks has the
 * mask of who started it. */
int il__os_thread_start(pthread_t *thread, size_t stack_size, void *(*main)(void *), void *arg);
/* Below a stack: more than a frame that is not very large, so that it cannot jump over it. */
#define IL__GUARD_SIZE ((size_t)(SIZE_MAX > UINT32_MAX ? 64 : 16) << 10)
/* The largest stack that may be asked for: a power of two. */
#define IL__STACK_MAX ((SIZE_MAX > UINT32_MAX ? SIZE_MAX >> 31 : SIZE_MAX >> 3) + 1)
void il__os_thread_name(const char *name, char saved[16]); /* saved may be NULL */
bool il__os_is_main_thread(void);
int il__os_cloexec_nonblock(int fd);
/* A description of our own of this pipe or terminal, non-blocking: a descriptor above 2. Negative where that cannot
 * be had: another system, no right to it, the controlling side of a pseudo-terminal. */
int il__os_reopen(int fd);
/* Where a write of what is for fd does not sleep once there is room, though others write there too: such a description,
 * which the caller closes, or fd itself, where it need not, or cannot, be had. */
int il__os_nonblocking(int fd);
bool il__os_is_pty_master(int fd);
/* Makes the number fd another name of what `from` is, close-on-exec. */
int il__os_rename(int from, int fd);
/* A descriptor that keeps the number of this file from being another's, or negative: there is none such here. */
int il__os_pin(const char *path);

/* Memory of that size behind a close-on-exec descriptor, zero; a negated errno code (os_memory.c). */
int il__os_memory_open(size_t size);
/* Before it is filled for the first time; may be NULL, or small. */
void il__os_memory_is_large(void *memory, size_t size);

/* Sockets and pipes (os_socket.c): close-on-exec, non-blocking, without SIGPIPE, never -EINTR. The
 * descriptor or count, or a negated errno code. */
struct iovec;
int il__os_socket(int domain, int type);
int il__os_socketpair(int fd[2]);
/* 0, or -EMFILE or -ENFILE: there is not even one pair of descriptors now. */
int il__os_descriptor_lack(void);
int il__os_socket_set(int fd, int level, int name, int value);
/* Probes a silent TCP peer. 0: the system's choice. -EINVAL: more than the system takes, and nothing is set. */
int il__os_socket_keepalive(int (*set)(const void *socket, int level, int name, int value),
			    const void *socket, il_time idle, il_time interval, int probes,
			    il_time give_up);
int il__os_accept(int fd, struct sockaddr *address, socklen_t *length);
ssize_t il__os_receive(int fd, void *data, size_t size);
ssize_t il__os_send(int fd, const void *data, size_t size);
ssize_t il__os_sendmsg(int fd, const struct msghdr *message);
/* Descriptors that came with bytes of a Unix stream, close-on-exec. */
enum { IL__OS_FDS_MAX = 253 }; /* the system's SCM_MAX_FD */
struct il__os_fds {
	int count;
	bool lost; /* there were others, which found no room in this process; then count is 0 */
	int fds[IL__OS_FDS_MAX];
};

/* Bytes up to those that descriptors came with, and these: never those of two messages. */
ssize_t il__os_receive_fds(int fd, void *data, size_t size, struct il__os_fds *got);
/* Beforehand: 0, or -EMFILE or -ENFILE where that would lose descriptors; or why nothing is to be had. Where
 * bytes cannot be looked at with descriptors it is always 0. */
int il__os_room_for_fds(int fd, void *data, size_t size);
ssize_t il__os_read(int fd, void *data, size_t size);
ssize_t il__os_write_pieces(int fd, const struct iovec *pieces, int count);
/* Between two descriptors; may wait for the disk. -EINVAL, -ENOSYS: not with these, or not here. */
ssize_t il__os_sendfile(int out, int in, int64_t offset, size_t size);

/* Around writes that have no flag against SIGPIPE, such as stdio's: in this thread none is raised.
 */
struct il__os_sigpipe {
	sigset_t mask, pending;
};
void il__os_sigpipe_block(struct il__os_sigpipe *before);
void il__os_sigpipe_restore(const struct il__os_sigpipe *before,
			    bool raised); /* one, by the writes */

#endif
