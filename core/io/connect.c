/*
 * connect.c: streams to other hosts. Connecting to TCP is a race of attempts (happy eyeballs, RFC 8305) that
 * one task runs: it waits for all sockets in progress and for the time of the next attempt at once. Every
 * socket of the race is closed when it ends, except the winner's. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "address.h"
#include "fd.h"
#include "listener.h"
#include "resolver.h"
#include "stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

#define ATTEMPT_DELAY IL_MSEC(250)
#define BACKLOG_DELAY IL_MSEC(5)

/* ---- one attempt ---- */

struct attempt {
	struct il__fd_wait wait;
	int number; /* -1: not begun, or over */
};

struct race {
	const char *function, *host, *port;
	il_task *task;
	const il_connect_options *options;
	il_address *list, *locals;
	int count, local_count;
	struct attempt *attempts; /* one an address */
	int next, active;
	il_time start_next;
	int error, failed; /* the most telling error so far, and whose it is */
};

static int bind_local(const struct race *r, int fd, int family)
{
	for (int i = 0; i < r->local_count; i++) {
		const il_address *a = &r->locals[i];
		if (a->storage.ss_family != family)
			continue;
		if (il_address_port(a))
			il__os_socket_set(fd, SOL_SOCKET, SO_REUSEADDR,
					  1); /* the attempts share it */
		return bind(fd, (const struct sockaddr *)&a->storage, a->length) < 0 ? -errno : 0;
	}
	return r->locals ? -EADDRNOTAVAIL : 0;
}

/* 1: connected. TCP connects a socket to itself if both ends are the same; then nobody else listens there.
 * Its end is a reset, so that it does not keep the port for who will. */
static int check_peer(int fd)
{
	const struct linger at_once = {.l_onoff = 1};
	il_address here = {.length = sizeof here.storage}, there = here;

	if (getsockname(fd, (struct sockaddr *)&here.storage, &here.length) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there.storage, &there.length) < 0 ||
	    !il__address_equal(&here, &there))
		return 1;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	return -ECONNREFUSED;
}

/* 1: connected at once; 0: in progress. */
static int connect_begin(struct race *r, struct attempt *a, const il_address *to)
{
	int fd = il__os_socket(to->storage.ss_family, SOCK_STREAM);
	int rc = fd < 0 ? fd : bind_local(r, fd, to->storage.ss_family);

	if (rc == 0 && !r->options->delay_small)
		rc = il__os_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0 && connect(fd, (const struct sockaddr *)&to->storage, to->length) < 0)
		rc = -errno;
	else if (rc == 0)
		rc = check_peer(fd);
	if (rc == -EINPROGRESS || rc == -EINTR) {
		a->wait = (struct il__fd_wait){.task = r->task, .asked = IL_WRITABLE};
		il__fd_renew(r->task->loop, fd);
		rc = il__fd_get(r->task->loop, fd, &a->wait.fd);
		if (rc == 0)
			rc = il__fd_begin(&a->wait);
	}
	if (rc < 0 && fd >= 0)
		close(fd);
	a->number = rc < 0 ? -1 : fd;
	r->active += rc >= 0;
	return rc;
}

static void connect_finish(struct race *r, struct attempt *a)
{
	il__fd_end(&a->wait);
	if (a->number >= 0)
		close(a->number);
	a->number = -1;
	r->active--;
}

/* ---- the race ---- */

/* An address that cannot be reached from here says less than one that answered. */
static bool connect_telling(int rc)
{
	return rc != -ENETUNREACH && rc != -EHOSTUNREACH && rc != -EADDRNOTAVAIL &&
	       rc != -EAFNOSUPPORT && rc != -EINVAL;
}

static void connect_failed(struct race *r, int which, int rc)
{
	if (!r->error || connect_telling(rc) || !connect_telling(r->error)) {
		r->error = rc;
		r->failed = which;
	}
	r->start_next = INT64_MIN;
}

/* The index of an attempt that has connected, or -1. */
static int connect_look(struct race *r)
{
	for (int i = 0; i < r->next; i++) {
		struct attempt *a = &r->attempts[i];
		int rc, error = 0;
		socklen_t length = sizeof error;

		if (a->number < 0 || !a->wait.got)
			continue;
		if (getsockopt(a->number, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
			error = errno;
		rc = error ? -error : check_peer(a->number);
		if (rc > 0)
			return i;
		connect_finish(r, a);
		connect_failed(r, i, rc);
	}
	return -1;
}

/* The words for the caller's timeout; the cause is what the attempts have met so far. */
static int connect_out_of_time(const struct race *r)
{
	char text[IL_ADDRESS_TEXT_MAX] = "";

	if (r->error)
		il_address_text(&r->list[r->failed], text, sizeof text);
	return il__refuse(-ETIMEDOUT,
			  "%s: %s, port %s: no connection in time: %d of %d addresses tried, %d of "
			  "them do not answer%s%s%s%s",
			  r->function, r->host ? r->host : "localhost", r->port, r->next, r->count,
			  r->active, *text ? "; " : "", text, *text ? ": " : "",
			  *text ? il__system_words(r->error) : "");
}

/* The sockets stay linked: the race unlinks them at its end. */
/* The index of the winner, or the error. */
static int connect_run(struct race *r, il_time deadline)
{
	for (;;) {
		il_time until, now = il__loop_now(r->task->loop);
		int rc;

		if (now >= deadline)
			return connect_out_of_time(r);
		if (r->next < r->count && (!r->active || now >= r->start_next)) {
			int which = r->next++;
			r->start_next = il__deadline_from(now, r->options->attempt_delay);
			rc = connect_begin(r, &r->attempts[which], &r->list[which]);
			if (rc > 0)
				return which;
			if (rc < 0)
				connect_failed(r, which, rc);
			continue;
		}
		if (!r->active)
			return r->error;
		if (il__task_cancelled(r->task)) /* since it was woken */
			return -ECANCELED;
		until = r->next < r->count && r->start_next < deadline ? r->start_next : deadline;
		rc = il__task_park_until(r->task, il__abort_freely, NULL, r->function, until);
		if (rc < 0 && rc != -ETIMEDOUT)
			return rc;
		rc = connect_look(r);
		if (rc >= 0)
			return rc;
	}
}

/* Lets the families alternate, beginning with the first one's; otherwise the order stays. */
static int connect_interleave(il_address *list, int count)
{
	il_address *copy = il__malloc((size_t)count * sizeof *copy);
	int first = 0, other = 0;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, list, (size_t)count * sizeof *copy);
	for (int i = 0; i < count; i++) {
		int *from = i % 2 ? &other : &first;
		for (int turn = 0; turn < 2; turn++) {
			bool of_first = from == &first;
			while (*from < count && (copy[*from].storage.ss_family ==
						 copy[0].storage.ss_family) != of_first)
				++*from;
			if (*from < count)
				break;
			from = of_first ? &other : &first; /* that family is used up */
		}
		list[i] = copy[(*from)++];
	}
	il__free(copy);
	return 0;
}

static int connect_prepare(struct race *r, il_time deadline)
{
	const il_connect_options *o = r->options;
	int rc = il__resolve(&r->list, r->host, r->port, 0, deadline, r->function);

	if (rc < 0)
		return rc;
	r->count = rc;
	if (o->local_host || o->local_port) {
		rc = il__resolve(&r->locals, o->local_host, o->local_port, IL_RESOLVE_PASSIVE,
				 deadline, r->function);
		if (rc < 0)
			return rc;
		r->local_count = rc;
	}
	r->attempts = il__calloc((size_t)r->count, sizeof *r->attempts);
	if (!r->attempts || connect_interleave(r->list, r->count) < 0)
		return il__refuse(-ENOMEM, "%s: out of memory", r->function);
	for (int i = 0; i < r->count; i++)
		r->attempts[i].number = -1;
	return 0;
}

/* Gives the winner away, closes the others. */
static int connect_end(struct race *r, int winner, il_stream **stream)
{
	int rc = winner;

	if (winner >= 0) {
		struct attempt *a = &r->attempts[winner];
		int fd = a->number;
		a->number = -1;
		il__fd_end(&a->wait);
		rc =
		    il__stream_create(stream, r->task->loop, fd, IL__STREAM_INET, &r->list[winner]);
	}
	for (int i = 0; i < r->next; i++)
		if (r->attempts[i].number >= 0)
			connect_finish(r, &r->attempts[i]);
	il__free(r->attempts);
	il__free(r->list);
	il__free(r->locals);
	return rc;
}

static void connect_explain(const struct race *r)
{
	char text[IL_ADDRESS_TEXT_MAX];

	il_address_text(&r->list[r->failed], text, sizeof text);
	il__refuse(r->error, "%s: %s, port %s: %d of %d addresses tried; %s: %s", r->function,
		   r->host ? r->host : "localhost", r->port, r->next, r->count, text,
		   il__system_words(r->error));
}

static int connect_check_options(il_connect_options *to, const il_connect_options *from)
{
	*to = from ? *from : (il_connect_options){0};
	if (to->timeout < 0 || to->attempt_delay < 0)
		return il__refuse(-EINVAL,
				  "il_connect_options: timeout or attempt_delay is negative");
	if (!to->timeout)
		to->timeout = IL_FOREVER;
	if (!to->attempt_delay)
		to->attempt_delay = ATTEMPT_DELAY;
	return 0;
}

int il_stream_connect_tcp(il_stream **stream, const char *host, const char *port,
			  const il_connect_options *options)
{
	il_connect_options o;
	struct race r = {.function = "il_stream_connect_tcp",
			 .host = host,
			 .port = port,
			 .options = &o,
			 .start_next = INT64_MIN};
	il_time deadline;
	int rc;

	if (!stream || !port)
		return il__refuse(-EINVAL, "%s: the stream or the port is NULL", r.function);
	rc = connect_check_options(&o, options);
	if (rc < 0)
		return rc;
	r.task = il__task_current(r.function, &rc);
	if (!r.task)
		return rc;
	deadline = il__deadline_from(il__loop_now(r.task->loop), o.timeout);
	rc = connect_prepare(&r, deadline);
	if (rc == 0)
		rc = connect_run(&r, deadline);
	if (rc < 0 && rc == r.error)
		connect_explain(&r);
	return connect_end(&r, rc, stream);
}

/* ---- Unix sockets ---- */

/* The path means what it means now, however long the wait. */
static void fix_path(il_address *to, const char *path)
{
	char *absolute = *path == '/' ? NULL : il__path_absolute(path);

	if (absolute && strlen(absolute) < sizeof((struct sockaddr_un *)NULL)->sun_path)
		il__address_unix(to, absolute, "il_stream_connect_unix");
	il__free(absolute);
}

/* The system says -EAGAIN while the listener's backlog is full, and has no event for its end. */
static int connect_unix(int fd, il_address to, const char *path)
{
	bool waited = false;

	for (;;) {
		int rc = connect(fd, (const struct sockaddr *)&to.storage, to.length);

		if (rc == 0)
			return 0;
		if (errno == EISCONN)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!waited)
			fix_path(&to, path);
		waited = true;
		rc = il_sleep(BACKLOG_DELAY);
		if (rc < 0)
			return rc;
	}
}

int il_stream_connect_unix(il_stream **stream, const char *path)
{
	static const char function[] = "il_stream_connect_unix";
	il_address to;
	int fd, rc;
	il_task *task = il__task_current(function, &rc);

	if (!task)
		return rc;
	if (!stream)
		return il__refuse(-EINVAL, "%s: NULL where the stream is to be stored", function);
	rc = il__address_unix(&to, path, function);
	if (rc == 0)
		rc = il__task_check(task);
	if (rc < 0)
		return rc;
	fd = il__os_socket(AF_UNIX, SOCK_STREAM);
	if (fd < 0)
		return il__refuse(fd, "%s: %s: %s", function, path, il__system_words(fd));
	rc = connect_unix(fd, to, path);
	if (rc < 0) {
		close(fd);
		return rc == -ECANCELED
			   ? rc
			   : il__refuse(rc, "%s: %s: %s", function, path, il__system_words(rc));
	}
	rc = il__stream_create(stream, task->loop, fd, IL__STREAM_UNIX, &to);
	il__task_yield(task);
	return rc;
}
