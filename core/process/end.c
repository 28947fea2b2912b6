/*
 * end.c: a worker's stderr, which goes where ours goes, and its death. Its pump's thread alone.
 *
 * Ours may be a pipe or terminal that nobody reads: then the worker has to wait, as if it had that itself, and
 * not the loop.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../base/escape.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/os_process.h"
#include "pool.h"
#include "wire.h"

#include <poll.h>
#include <stdio.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 16 };

_Static_assert(IL__STDERR_CHUNK <= 4096, "a pipe that is writable takes a chunk");

/* ---- stderr ---- */

static void worker_end_keep(struct il__process_worker *w, const char *bytes, size_t size)
{
	size_t kept;

	if (size > sizeof w->last) {
		bytes += size - sizeof w->last;
		size = sizeof w->last;
	}
	kept = w->last_size < sizeof w->last - size ? w->last_size : sizeof w->last - size;
	memmove(w->last, w->last + w->last_size - kept, kept);
	memcpy(w->last + kept, bytes, size);
	w->last_size = kept + size;
}

/* To be relayed later: a dead one cannot wait, and the clock of virtual time stands meanwhile. */
static bool worker_end_may_wait(const struct il__process_worker *w)
{
	const il_loop *loop;

	if (w->ending) /* and its pump may be gone before it */
		return false;
	loop = w->pump ? w->pump->loop : NULL;
	return !loop || !loop->own_clock;
}

/* Ours may be no place to write to: then it is all the same read. */
static bool worker_end_has_more(const struct il__process_worker *w)
{
	struct pollfd p = {.fd = w->child.errors, .events = POLLIN};

	return w->unsent || (!w->errors_over && poll(&p, 1, 0) != 0);
}

static bool worker_end_read(struct il__process_worker *w)
{
	ssize_t n = il__os_read(w->child.errors, w->chunk, sizeof w->chunk);

	w->errors_over = n == 0;
	if (n <= 0)
		return false;
	worker_end_keep(w, w->chunk, (size_t)n);
	w->unsent = (size_t)n;
	return true;
}

/* What cannot wait, or cannot be written at all, is lost. */
static void worker_end_write(struct il__process_worker *w, int out)
{
	const struct iovec piece = {w->chunk, w->unsent};
	ssize_t n = out < 0 ? -EBADF : il__os_write_pieces(out, &piece, 1);
	size_t done = n > 0 ? (size_t)n : 0;

	if ((n < 0 && n != -EAGAIN) || !worker_end_may_wait(w))
		done = w->unsent;
	w->unsent -= done;
	memmove(w->chunk, w->chunk + done, w->unsent);
	w->choked = w->unsent > 0;
}

/* False: there is no more for now, or no room. */
static bool worker_end_relay(struct il__process_worker *w, int out)
{
	struct pollfd p = {.fd = out, .events = POLLOUT};

	if (poll(&p, 1, 0) < 0)
		p.revents = POLLERR;
	w->choked = !p.revents && worker_end_may_wait(w);
	if (w->choked || (!w->unsent && !worker_end_read(w)))
		return false;
	worker_end_write(w, p.revents == POLLOUT ? out : -1);
	return !w->choked;
}

void il__process_relay(struct il__process_worker *w)
{
	int out;

	w->choked = false;
	if (!worker_end_has_more(w))
		return;
	out = il__os_nonblocking(STDERR_FILENO);
	for (int i = 0; i < ROUNDS && worker_end_has_more(w) && worker_end_relay(w, out); i++)
		;
	if (out != STDERR_FILENO)
		close(out);
}

void il__process_look(struct il__process_worker *w)
{
	siginfo_t info = {.si_pid = 0};

	il__process_relay(w);
	if (waitid(P_PID, (id_t)w->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		w->ended |= errno == ECHILD; /* somebody else has reaped it */
	else
		w->ended |= info.si_pid != 0;
}

/* ---- the end ---- */

/* The last line of what it wrote to stderr, which may be anybody's words: its NULs are shown, too. */
static void last_line(const struct il__process_worker *w, char *line, size_t size)
{
	size_t end = w->last_size, begin;

	while (end > 0 && w->last[end - 1] == '\n')
		end--;
	for (begin = end; begin > 0 && w->last[begin - 1] != '\n'; begin--)
		;
	/* What was not kept may have ended in the middle of a character. */
	if (begin == 0 && w->last_size == sizeof w->last)
		begin = il__text_rest(w->last, end);
	il__text_escape(line, size, w->last + begin, end - begin);
}

static void write_last_words(struct il__process_worker *w, bool known, const siginfo_t *info)
{
	char how[80], line[IL__STDERR_KEPT + 40];

	last_line(w, line, sizeof line);
	if (w->late)
		snprintf(how, sizeof how, "was killed, not ready within start_timeout (%.1f s)",
			 (double)w->pool->options.start_timeout / (double)IL_SEC(1));
	else if (!known)
		snprintf(how, sizeof how, "ended, and somebody else has asked how");
	else if (info->si_code != CLD_EXITED)
		snprintf(how, sizeof how, "was killed by signal %d (%s)", info->si_status,
			 strsignal(info->si_status));
	else
		snprintf(how, sizeof how, "ended with exit status %d", info->si_status & 0xff);
	snprintf(w->last_words, sizeof w->last_words, "worker process %d %s%s%s", (int)w->child.pid,
		 how, line[0] ? "; it last wrote: " : "", line);
}

void il__process_ask_to_end(struct il__process_worker *w)
{
	shutdown(w->child.stream, SHUT_RDWR);
	w->asked = true;
	w->due = il__os_now() + IL_SEC(IL__WORKER_GRACE);
}

void il__process_kill_worker(const struct il__process_worker *w)
{
	if (!w->reaped)
		il__process_kill(&w->child);
}

/* Only once it has ended, or is waited for, it is out of reach of those who kill its call: they may come at any time. */
bool il__process_reap(struct il__process_worker *w, bool wait)
{
	siginfo_t info;
	int rc;

	if (!wait && il__os_process_look(w->child.process, w->child.pid, &info) == -EAGAIN)
		return false;
	pthread_mutex_lock(&w->pool->lock);
	w->reaped = true;
	pthread_mutex_unlock(&w->pool->lock);
	rc = il__os_process_reap(w->child.process, w->child.pid, wait, &info);
	il__process_relay(w);
	write_last_words(w, rc == 0, &info);
	return true;
}

void il__process_free(struct il__process_worker *w)
{
	il__process_close(&w->child);
	il__free(w);
}
