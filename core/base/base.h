/*
 * base.h: the ground floor, for every file of the core. Lists, results, the log, and the few things
 * that differ between operating systems (os.c). Nothing here knows a loop or a task.
 */
#ifndef IL_CORE_BASE_H
#define IL_CORE_BASE_H

#include "memory.h"
#include "sanitizer.h"

#include <interloop/base.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The model keeps a thread-local access at one instruction; the block is a few hundred bytes. */
#define IL__THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

/* For variables that hot paths read: one instruction, where the linker is left no other. */
#define IL__HIDDEN __attribute__((visibility("hidden")))

#define il__container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define il__likely(x)                       __builtin_expect(!!(x), 1)
#define il__unlikely(x)                     __builtin_expect(!!(x), 0)
/* For functions that only prefetch: gcc sees no effect in such a one, and drops its calls. */
#define il__always_inline static inline __attribute__((always_inline))

/* What only Linux has is called in os*.c, and has a fallback there. */
#if defined(__linux__) && !defined(IL_PORTABLE)
#define IL__LINUX 1
#else
#define IL__LINUX 0
#endif

/* ---- intrusive doubly linked lists; an unlinked node points to itself ---- */

struct il__list {
	struct il__list *prev, *next;
};

#define il__list_each(node, list) \
	for (struct il__list *node = (list)->next; node != (list); node = node->next)
#define il__list_each_safe(node, list)                                                        \
	for (struct il__list *node = (list)->next, *node##_next = node->next; node != (list); \
	     node = node##_next, node##_next = node->next)

static inline void il__list_init(struct il__list *l)
{
	l->prev = l->next = l;
}

static inline bool il__list_empty(const struct il__list *l)
{
	return l->next == l;
}

/* Before `at`: the end of the list when `at` is its head. */
static inline void il__list_push(struct il__list *at, struct il__list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

/* After `at`: the front of the list when `at` is its head. */
static inline void il__list_push_front(struct il__list *at, struct il__list *node)
{
	il__list_push(at->next, node);
}

static inline void il__list_remove(struct il__list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->prev = node->next = node;
}

static inline struct il__list *il__list_pop(struct il__list *l)
{
	struct il__list *node = l->next;

	if (node == l)
		return NULL;
	il__list_remove(node);
	return node;
}

/* Moves all of `from` to the end of `to`. */
static inline void il__list_splice(struct il__list *to, struct il__list *from)
{
	if (il__list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	il__list_init(from);
}

/* ---- numbers ---- */

/* A size_t that was a negative number before the call. */
static inline bool il__was_negative(size_t n)
{
	return n > PTRDIFF_MAX;
}

/* ---- text for people (escape.c) ---- */

/* Cuts between characters, and shows control characters and what is no UTF-8 as \xNN. Once more changes
 * nothing. */
void il__text_escape(char *to, size_t size, const char *from, size_t length);
/* vsnprintf, escaped: every text that leaves the library is made so, for any may name something foreign. */
void il__text_format(char *to, size_t size, const char *format, va_list args);
/* For "%.*s" of something that may be long: its bytes up to `most`, without half a character at the end. */
int il__text_within(const char *text, size_t most);
/* Where something was cut off behind, or before: `length` without the half character that it ends with, and
 * the bytes of the one that it begins with. */
size_t il__text_cut(const char *text, size_t length);
size_t il__text_rest(const char *text, size_t length);
/* Whether there can be an array of so many elements. */
static inline bool il__is_array(size_t count, size_t size)
{
	return !size || count <= PTRDIFF_MAX / size;
}

/* ---- results and the log (error.c) ---- */

/* What il_error_detail() tells; rc 0: nothing. In a loop's thread a task has its own, as it has its own errno: it
 * is set aside while others run. Without one it may find what another has left, but no failure leaves that. */
struct il__refusal {
	int rc;
	bool own; /* of the task, or the call, that runs */
	char words[240];
};

extern IL__THREAD_LOCAL struct il__refusal il__refusal;

/* Sets il_error_detail() and gives rc back: every refusal of a public call ends here. */
int il__refuse(int rc, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* For an error that has nothing to say: il_error_detail() must not tell of an older one. */
static inline void il__forget_refusal(void)
{
	il__refusal.words[0] = 0;
	il__refusal.rc = 0;
	il__refusal.own = true;
}

/* Before somebody else's function is called, which may say why it fails. */
static inline void il__clear_refusal(void)
{
	il__forget_refusal();
	il__refusal.own = false;
}

/* Whether il_error_detail() belongs to this code. */
bool il__has_refused(int rc);
/* The same for a code that is handed out as it came: every failure without words of its own ends here. */
static inline int il__no_words(int rc)
{
	if (rc < 0)
		il__forget_refusal();
	return rc;
}

/* And for a code of the caller's, or of a function of the caller's: only its own words stay beside it. */
static inline int il__pass_on(int rc)
{
	return il__refusal.rc == rc ? rc : il__no_words(rc);
}

/* A copy of il_error_detail() if it belongs to this code, else NULL; and tells it again, in this thread or
 * another, and frees it. */
char *il__keep_refusal(int rc);
int il__refuse_again(int rc, char *why);
void il__log(int level, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* A code that came from a system call, in the system's words: il_strerror has the library's meaning
 * of it. */
const char *il__system_words(int rc);
/* Misuse that no result can report: says so and aborts. */
_Noreturn void il__fatal(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* ---- fork (fork.c): objects remember the generation they were made in ---- */

extern unsigned il__generation;
/* Registers the fork handler once: when the library is loaded, or an object is made before that. */
void il__watch_fork(void);
void il__os_stay_loaded(void); /* whoever closes the plugin that we are a part of (os_pin.c) */
/* A lock of the whole process: the forking thread takes it before a fork and gives it back on both
 * sides, so that the child finds what it guards whole, and held by nobody. Added by constructors,
 * once; in no order, for under none of them another is taken. An object's own lock has no such
 * need: the child does not touch what it inherited. */
struct il__fork_lock {
	pthread_mutex_t *lock;
	struct il__fork_lock *next;
};

void il__hold_at_fork(struct il__fork_lock *lock);
/* What a floor above has to forget in the child, in the forking thread, where every such lock is
 * free. Added by constructors, once; in no order. */
struct il__fork_hook {
	void (*run)(void);
	struct il__fork_hook *next;
};

void il__on_fork_child(struct il__fork_hook *hook);

static inline bool il__inherited(unsigned generation)
{
	return il__unlikely(generation != il__generation);
}

/* ---- the operating system (os.c): every call that only Linux has, with its fallback ---- */

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
/* A symbol of an object that is loaded, which then stays so; NULL: it is not, or has no such symbol. */
void *il__os_loaded_symbol(const char *object, const char *symbol);

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
/* The largest stack that may be asked for. */
#define IL__STACK_MAX (SIZE_MAX > UINT32_MAX ? SIZE_MAX >> 31 : SIZE_MAX >> 3)
void il__os_thread_name(const char *name, char saved[16]); /* saved may be NULL */
bool il__os_is_main_thread(void);
int il__os_cloexec_nonblock(int fd);
/* A description of our own of this pipe or terminal, non-blocking: a descriptor above 2. Negative where that cannot
 * be had: another system, no right to it, the controlling side of a pseudo-terminal. */
int il__os_reopen(int fd);
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

/* Around writes that have no flag against SIGPIPE, such as stdio's: in this thread none is raised.
 */
struct il__os_sigpipe {
	sigset_t mask, pending;
};
void il__os_sigpipe_block(struct il__os_sigpipe *before);
void il__os_sigpipe_restore(const struct il__os_sigpipe *before,
			    bool raised); /* one, by the writes */

/* ---- child processes (os_process.c) ---- */

/* Both ends close-on-exec, blocking, and never a standard descriptor, also where those are closed. */
int il__os_pipe(int fd[2]);
int il__os_above_stdio(int *fd); /* moves it up there */

enum { IL__OS_INHERIT = -1, IL__OS_NULL = -2, IL__OS_SPAWN_FDS = 6 };

struct il__os_spawn {
	const char *file;
	char *const *argv, *const *environment;
	const char *directory; /* NULL: ours */
	int fds
	    [IL__OS_SPAWN_FDS]; /* which becomes 0, 1, ... there: ours, IL__OS_INHERIT, IL__OS_NULL */
	int count;
	bool search;         /* file is looked for in the PATH of environment */
	bool keep_others;    /* leave what is not close-on-exec open */
	bool session, group; /* make it the leader of one */
};

/* 0 or why there is no such process, the errors of exec included. The handle stays this process, whoever
 * reaps it, and is the caller's to close; -1: there are none here. */
int il__os_spawn(pid_t *pid, int *handle, const struct il__os_spawn *spawn);
int il__os_process_open(pid_t pid); /* such a handle of a child that lives */
/* Never to a process that has got its number since, if there is a handle or nobody has reaped it. */
int il__os_process_signal(int handle, pid_t pid, int number);
/* Of a child of ours, once: how it ended. -EAGAIN: it has not, and !wait; -ECHILD: somebody else has reaped
 * it, and the system does not keep how. */
int il__os_process_reap(int handle, pid_t pid, bool wait, siginfo_t *info);

/* Kills this process then, by SIGKILL where the system can: no function meets that. */
void il__os_end_after(int seconds);

/* A child of ours, and what tells its end. */
struct il__os_child {
	pid_t pid;
	int handle; /* as above */
	int fd;     /* readable once it has ended */
	pthread_t thread;
	bool threaded; /* the thread tells fd, which is no handle then */
};

/* Starts one. After an error, of whatever it needs, there was none. */
int il__os_child_spawn(struct il__os_child *child, const struct il__os_spawn *spawn);
bool il__os_child_ended(const struct il__os_child *child, bool wait);
/* Of one that has ended, once: il__os_process_reap. */
int il__os_child_reap(struct il__os_child *child, siginfo_t *info);
void il__os_child_close(struct il__os_child *child);

/* ---- what a thread hands on to what it starts (os_origin.c) ---- */

/* Processors, policy, niceness and the like: whether this thread's are those that the program had
 * when the library was loaded; and makes them so, as far as it may. */
bool il__os_is_as_loaded(void);
void il__os_be_as_loaded(void);
/* Pins this thread. -EINVAL: none of them is there. -ENOTSUP. */
int il__os_affinity(const int *cpus, size_t count);
/* Processors that the program had then, or those that its control groups allow it now, if that is
 * fewer: 1 or more. */
int il__os_cpu_count(void);
/* The second alone (os_quota.c), by the files below that root, "" is the system's. INT_MAX: there
 * is no limit. */
int il__os_cpu_quota(const char *root);
/* Runs fn where what it starts gets nothing of this thread's, in another one if need be; pinned,
 * unless cpus is NULL. fn's result, or why it was not run. */
int il__os_apart(int (*fn)(void *arg), void *arg, const int *cpus, size_t count);

/* ---- the program's surroundings (os_program.c) ---- */

/* The working directory for fchdir(), close-on-exec and above stdio, or a negated errno code. */
int il__os_directory_open(void);
unsigned il__os_umask(void); /* by a thread that may set it */
/* A path that starts the file that runs, whatever its name means by now. */
int il__os_program(char *path, size_t size);
/* In a constructor, with its arguments: what follows the prefix in the first argument after the
 * program's name. False: it begins otherwise, or there is more of it. */
bool il__os_argument(int argc, char **argv, const char *prefix, char *rest, size_t size);

/* ---- the clock may be the loop's own; runtime/ provides il_now() ---- */

static inline il_time il__deadline_from(il_time now, il_time delay)
{
	return delay > 0 && now > IL_FOREVER - delay ? IL_FOREVER : now + delay;
}

/* How long a thread waits awake before it sleeps (patience.c). Zero is a good beginning. */
struct il__patience {
	unsigned yields; /* how many it tries */
	unsigned skip;   /* waits to come that do not try */
	unsigned pause;  /* the last skip: it doubles */
};

/* Yields until ready(arg), but not long. False: sleep now. */
bool il__patience_wait(struct il__patience *p, bool (*ready)(void *arg), void *arg);

/* A wait of one plain thread for one wake-up: 0 idle, 1 woken. Any thread may wake, once; the waiter
 * may free it as soon as the wait returns. Released by wake, acquired by wait. */
struct il__parker {
	atomic_int word;
};

void il__parker_init(struct il__parker *p);
/* 0 or -ETIMEDOUT; patience may be NULL. */
int il__parker_wait(struct il__parker *p, il_time deadline, struct il__patience *patience);
void il__parker_wake(struct il__parker *p);

#endif
