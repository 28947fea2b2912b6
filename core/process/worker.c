/*
 * worker.c: the worker's side. A process started with IL__WORKER_ARGUMENT serves frames from that
 * descriptor until the stream ends, and never gets to main, or not past
 * il_process_worker_main_if_needed. One thread, blocking.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/error.h"
#include "../base/escape.h"
#include "../base/guard.h"
#include "../base/load.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/os_process.h"
#include "../base/os_program.h"
#include "../executor/call.h"
#include "../runtime/dump_signal.h"
#include "../runtime/trace.h"
#include "wire.h"

#include <interloop/process_pool.h>
#include <interloop/shared.h>

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool main_serves;
static int stream = -1;
static int life = -1; /* open as long as the pool's process; -1: nothing tells */

bool il__process_main_serves(void)
{
	return main_serves;
}

/* ---- the stream ---- */

/* Whether to wait by poll(), as the pool has said: a thread in recvmsg is also woken when the pool has read the last reply. On
 * another processor that has it awake in time; where it takes turns with the pool on one, or the pool serves other
 * workers meanwhile, it costs more than to ask twice. */
static bool polls_first;

/* What was read too far: a small frame comes in one piece. */
static struct {
	char bytes[4096];
	size_t at, end;
} ahead;

/* One piece; a descriptor that comes with it goes to *fd, if asked for. 0: the stream ended. */
static ssize_t worker_receive(void *to, size_t size, int *fd)
{
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room;
	struct iovec piece = {to, size};
	struct msghdr message = {.msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = fd ? room.bytes : NULL,
				 .msg_controllen = fd ? sizeof room.bytes : 0};
	struct cmsghdr *c;
	ssize_t n;

	if (polls_first)
		poll(&(struct pollfd){.fd = stream, .events = POLLIN}, 1, -1);
	do
		n = recvmsg(stream, &message, 0);
	while (n < 0 && errno == EINTR);
	c = n > 0 && fd ? CMSG_FIRSTHDR(&message) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
		il__os_above_stdio(fd);
		fcntl(*fd, F_SETFD, FD_CLOEXEC);
	}
	return n;
}

static size_t take_ahead(void *to, size_t size)
{
	size_t n = ahead.end - ahead.at < size ? ahead.end - ahead.at : size;

	memcpy(to, ahead.bytes + ahead.at, n);
	ahead.at += n;
	return n;
}

/* False: the stream ended. */
static bool read_all(void *to, size_t size, int *fd)
{
	char *at = to;

	while (size > 0) {
		ssize_t n = (ssize_t)take_ahead(at, size);
		if (n == 0 && size < sizeof ahead.bytes) {
			n = worker_receive(ahead.bytes, sizeof ahead.bytes, fd);
			ahead.at = 0;
			ahead.end = n > 0 ? (size_t)n : 0;
			if (n > 0)
				continue;
		} else if (n == 0) {
			n = worker_receive(at, size, fd);
		}
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static bool worker_skip(uint64_t size)
{
	char bytes[4096];
	bool more = true;

	for (size_t n; more && size > 0; size -= n) {
		n = size < sizeof bytes ? (size_t)size : sizeof bytes;
		more = read_all(bytes, n, NULL);
	}
	return more;
}

/* Two pieces, the second of which may be empty. */
static bool write_all(const void *first, size_t first_size, const void *second, size_t second_size)
{
	size_t sent = 0;

	while (sent < first_size + second_size) {
		size_t gone = sent < first_size ? sent : first_size, rest = sent - gone;
		struct iovec pieces[2] = {
		    {(char *)(uintptr_t)first + gone, first_size - gone},
		    {second_size ? (char *)(uintptr_t)second + rest : NULL, second_size - rest}};
		struct msghdr message = {.msg_iov = pieces, .msg_iovlen = second_size ? 2 : 1};
		ssize_t n = sendmsg(stream, &message, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			sent += (size_t)n;
	}
	return true;
}

/* ---- its end ---- */

#if defined(F_SETSIG) && defined(O_ASYNC)
/* The end of the pool's process is the end of a call that runs, too: nobody is left to kill it. Nothing is
 * ever sent on `life`, so its end is all that there is to tell; and what it is told by no function can meet:
 * the system ends the process. */
static void watch_end(void)
{
	if (life >= 0 &&
	    (fcntl(life, F_SETSIG, SIGKILL) < 0 || fcntl(life, F_SETOWN, getpid()) < 0))
		life = -1;
}

/* What comes between calls ends the worker in its own time: see worker_leave. */
static void while_it_runs(bool runs)
{
	struct pollfd p = {.fd = life, .events = POLLIN};

	if (life < 0)
		return;
	fcntl(life, F_SETFL, runs ? O_ASYNC : 0);
	if (runs && poll(&p, 1, 0) == 1) /* it came before */
		_exit(0);
}
#else
static void watch_end(void)
{
}

static void while_it_runs(bool runs)
{
	(void)runs;
}
#endif

/* ---- one call ---- */

struct request {
	struct il__wire_header h;
	struct il__wire_function function;
	il_fn *fn;
	void *payload;
	int fd; /* of shared memory; -1: none */
	il_bytes bytes;
	/* the reply */
	int rc;
	const void *reply;
	size_t size;
	char why[IL__WIRE_WHY_MAX]; /* "": it ran */
};

__attribute__((format(printf, 3, 4))) static void refuse(struct request *r, int rc,
							 const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(r->why, sizeof r->why, format, list);
	va_end(list);
	r->rc = rc;
	r->reply = r->why;
	r->size = strlen(r->why);
}

/* False: the stream ended, or does not carry our frames. */
static bool read_request(struct request *r)
{
	struct il__wire_header *h = &r->h;
	struct il__wire_function *f = &r->function;

	if (!read_all(h, sizeof *h, &r->fd) || h->version != IL__WIRE_VERSION ||
	    h->path >= sizeof f->path || h->name >= sizeof f->name ||
	    !read_all(f->path, h->path, NULL) || !read_all(f->name, h->name, NULL))
		return false;
	f->path[h->path] = 0;
	f->name[h->name] = 0;
	f->offset = h->offset;
	f->build = h->build;
	if (!h->size)
		return true;
	r->payload = il__wire_fits(h->size) ? il__malloc((size_t)h->size) : NULL;
	il__os_memory_is_large(r->payload, (size_t)h->size);
	if (r->payload)
		return read_all(r->payload, (size_t)h->size, NULL);
	refuse(r, -ENOMEM, "no memory for an argument of %llu bytes", (unsigned long long)h->size);
	return worker_skip(h->size);
}

static int worker_call(const struct request *r, void *arg)
{
	return il__guarded_fn(r->fn, arg);
}

static void run_bytes(struct request *r)
{
	il_bytes *b = &r->bytes;

	b->in = r->payload;
	b->in_size = (size_t)r->h.size;
	r->rc = worker_call(r, b);
	r->reply = b->out;
	r->size = b->out ? b->out_size : 0;
	if (r->size > r->h.limit)
		refuse(r, -EMSGSIZE, "a result of %zu bytes; max_size is %llu", b->out_size,
		       (unsigned long long)r->h.limit);
}

static void run_shared(struct request *r)
{
	il_shared s = {.size = (size_t)r->h.memory, .fd = r->fd};

	if (r->fd < 0 || r->h.size != sizeof s.args) {
		refuse(r, -EPROTO, "shared memory without its descriptor");
		return;
	}
	if (!il__wire_fits(r->h.memory)) {
		refuse(r, -ENOMEM, "no address space for shared memory of %llu bytes",
		       (unsigned long long)r->h.memory);
		return;
	}
	s.data = mmap(NULL, s.size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (s.data == MAP_FAILED) {
		refuse(r, -errno, "shared memory of %zu bytes: %s", s.size, strerror(errno));
		return;
	}
	memcpy(s.args, r->payload, sizeof s.args);
	r->rc = worker_call(r, &s);
	memcpy(r->payload, s.args, sizeof s.args);
	r->reply = r->payload;
	r->size = sizeof s.args;
	munmap(s.data, s.size);
}

static void worker_run(struct request *r)
{
	const char *module = r->function.path[0] ? r->function.path : "the program";

	if (il__wire_find(&r->function, &r->fn) < 0) {
		refuse(r, -ENOENT,
		       "no such function: %.*s cannot be loaded here, or is another build; and "
		       "nothing is registered as \"%s\"",
		       il__text_within(module, 150), module, r->function.name);
	} else if (r->h.form == IL_CALL_BYTES) {
		run_bytes(r);
	} else if (r->h.form == IL_CALL_SHARED) {
		run_shared(r);
	} else {
		r->rc = worker_call(r, r->payload);
		r->reply = r->payload;
		r->size = r->h.type == IL__WIRE_INIT ? 0 : (size_t)r->h.size;
	}
}

/* What the function was refused, if that is its result. */
static const char *words_for(int rc)
{
	return rc < 0 && rc == il__refusal.rc ? il__refusal.words : "";
}

static bool worker_reply(const struct request *r)
{
	struct il__wire_header h = {.version = IL__WIRE_VERSION,
				    .type = r->why[0] ? IL__WIRE_REFUSED : IL__WIRE_REPLY,
				    .form = r->h.form,
				    .size = r->size,
				    .id = r->h.id,
				    .rc = r->rc};
	char first[sizeof h + IL__WIRE_WHY_MAX];
	const char *words = r->why[0] ? "" : words_for(r->rc);

	h.words =
	    (uint32_t)strnlen(words, r->h.words < IL__WIRE_WHY_MAX ? r->h.words : IL__WIRE_WHY_MAX);

	memcpy(first, &h, sizeof h);
	memcpy(first + sizeof h, words, h.words);
	return write_all(first, sizeof h + h.words, r->reply, r->size);
}

static bool serve_one(void)
{
	struct request r;
	bool more;

	memset(&r.h, 0, sizeof r.h);
	r.payload = NULL;
	r.fd = -1;
	r.bytes = (il_bytes){.in = NULL};
	r.why[0] = 0;
	more = read_request(&r);
	if (more && !r.why[0]) {
		while_it_runs(true);
		il__clear_refusal();
		worker_run(&r);
		/* Not all streams: a thread that the function has left behind holds one that it reads from. */
		fflush(stdout);
		fflush(stderr);
		while_it_runs(false);
	}
	more = more && worker_reply(&r);
	polls_first = r.h.rc == 1;
	il__free(r.payload);
	il_bytes_free(&r.bytes);
	if (r.fd >= 0)
		close(r.fd);
	return more;
}

/* ---- the worker ---- */

/* A function ended the main thread: the process would live on with what other threads it has. */
static void worker_on_thread_exit(void *unused)
{
	(void)unused;
	_exit(EXIT_FAILURE);
}

static bool worker_greet(void)
{
	const struct il__wire_header h = {.version = IL__WIRE_VERSION, .type = IL__WIRE_READY};

	return write_all(&h, sizeof h, NULL, 0);
}

/* With what the program, its libraries and tools have for the end: reports, profiles, atexit(). Whoever would
 * kill a worker that is stuck there may be gone. */
static _Noreturn void worker_leave(void)
{
	il__os_end_after(IL__WORKER_GRACE);
	exit(0);
}

static _Noreturn void worker_serve(void)
{
	bool more;

	il__trace_not_from_environment();
	il__dump_signal_ignore();
	watch_end();
	pthread_cleanup_push(worker_on_thread_exit, NULL);
	for (more = worker_greet(); more; more = serve_one())
		;
	pthread_cleanup_pop(0);
	worker_leave();
}

/* A child that a function forks must not keep the stream open when the worker dies. */
static void leave_stream(void)
{
	close(stream);
	if (life >= 0)
		close(life);
}

static bool take_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* Where the pool was made, and with its umask. */
static bool settle_in(int directory, int mask)
{
	if (mask >= 0)
		umask((mode_t)mask);
	return directory < 0 || (fchdir(directory) == 0 && close(directory) == 0);
}

static _Noreturn void worker_give_up(const char *text, const char *why)
{
	fprintf(stderr, "interloop: %s%s: %s\n", IL__WORKER_ARGUMENT, text, why);
	_exit(EXIT_FAILURE);
}

/* Before main: whether this process is a worker. One that was started as such never gets to main by
 * mistake. */
static void take_over(int argc, char **argv)
{
	char text[80], kind, name[16] = "";
	int fd, other, directory, mask;

	il__program_note(argc);
	if (!il__os_argument(argc, argv, IL__WORKER_ARGUMENT, text, sizeof text))
		return;
	if (il__process_is_secure())
		worker_give_up(text, "a program that gets rights from its file is nobody's worker");
	if (sscanf(text, "%d,%d:%c:%d:%i:%15[^\n]", &fd, &other, &kind, &directory, &mask, name) <
		5 ||
	    !take_socket(fd) || (other >= 0 && !take_socket(other)) || !settle_in(directory, mask))
		worker_give_up(text, "this process has no such stream, or no such directory");
	il__preload_undo();
	il__os_thread_name(name, NULL);
	stream = fd;
	life = other;
	pthread_atfork(NULL, NULL, leave_stream);
	if (kind == 'c')
		worker_serve();
}
IL__AT_LOAD(take_over, IL__LOADED_LAST);

void il_process_worker_main_if_needed(void)
{
	main_serves = true;
	if (stream >= 0)
		worker_serve();
}
