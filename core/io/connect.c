/*
 * connect.c: streams to other hosts. Connecting to TCP is a race of attempts (happy eyeballs, RFC 8305) that
 * one task runs: it waits for all sockets in progress and for the time of the next attempt at once. Every
 * socket of the race is closed when it ends, except the winner's. Loop's thread only, in a task.
 */
#include "../base/base.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../base/os.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "address.h"
#include "fd.h"
#include "layer.h"
#include "network.h"
#include "resolve.h"
#include "stream.h"
#include "unix_path.h"

#include <sys/un.h>
#include <unistd.h>

#define ATTEMPT_DELAY IL_MSEC(250)
#define BACKLOG_DELAY IL_MSEC(5)

/* ---- one attempt ---- */

struct attempt {
	struct il__fd_wait wait;
	struct il__fd *end; /* NULL: not begun, or over */
};

struct race {
	struct il__wait wait;
	const char *function, *host, *port;
	il_task *task;
	const struct il__network *network;
	const il_connect_options *options;
	il_address *list, *locals;
	int count, local_count;
	struct attempt *attempts; /* one an address */
	int next, active;
	il_time start_next;
	int error, failed; /* the most telling error so far, and whose it is */
};

static void connect_tell(struct il__report *r, const il_task *task)
{
	const struct race *race = il__container_of(task->base->wait, const struct race, wait);

	il__report(r, "%s, port %s: %d of %d addresses tried",
		   race->host ? race->host : "localhost", race->port, race->next, race->count);
}

/* -EADDRNOTAVAIL: the caller named some, but none of this family. */
static int connect_local(const struct race *r, int family, const il_address **local)
{
	*local = NULL;
	for (int i = 0; i < r->local_count && !*local; i++)
		if (r->locals[i].storage.ss_family == family)
			*local = &r->locals[i];
	return r->locals && !*local ? -EADDRNOTAVAIL : 0;
}

/* 1: connected at once; 0: in progress. */
static int connect_begin(struct race *r, struct attempt *a, const il_address *to)
{
	const il_address *local;
	int rc = connect_local(r, to->storage.ss_family, &local);

	if (rc == 0)
		rc = r->network->connect(r->task->loop, to, local, r->options, &a->end);
	if (rc == 0) {
		a->wait = (struct il__fd_wait){.task = r->task, .asked = IL_WRITABLE, .fd = a->end};
		rc = il__fd_begin(&a->wait);
		if (rc < 0)
			r->network->close(a->end, false);
	}
	if (rc < 0)
		a->end = NULL;
	r->active += rc >= 0;
	return rc;
}

static void connect_finish(struct race *r, struct attempt *a)
{
	il__fd_end(&a->wait);
	r->network->close(a->end, false);
	a->end = NULL;
	r->active--;
}

/* ---- the race ---- */

/* An address that cannot be reached from here says less than one that replied. */
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
		int rc;

		if (!a->end || !a->wait.got)
			continue;
		rc = r->network->connected(a->end);
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
			  "them do not reply%s%s%s%s",
			  r->function, r->host ? r->host : "localhost", r->port, r->next, r->count,
			  r->active, *text ? "; " : "", text, *text ? ": " : "",
			  *text ? il__system_words(r->error) : "");
}

/* The index of the winner, or the error. The sockets stay linked: the race unlinks them at its end. */
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
		r->wait = (struct il__wait){r->function, connect_tell};
		rc = il__task_park_until(r->task, il__abort_freely, NULL, &r->wait, until);
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
	return 0;
}

/* Gives the winner away, closes the others. */
static int connect_end(struct race *r, int winner, il_stream **stream)
{
	int rc = winner;

	if (winner >= 0) {
		struct attempt *a = &r->attempts[winner];
		struct il__fd *end = a->end;
		a->end = NULL;
		il__fd_end(&a->wait);
		rc = r->network->stream(end, &r->list[winner], stream);
	}
	for (int i = 0; i < r->next; i++)
		if (r->attempts[i].end)
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
	if (to->layer && !to->layer->connect)
		return il__refuse(-EINVAL, "il_connect_options: the layer has no function connect");
	if (!to->timeout)
		to->timeout = IL_FOREVER;
	if (!to->attempt_delay)
		to->attempt_delay = ATTEMPT_DELAY;
	return 0;
}

static int connect_layer(const struct race *r, il_stream **stream, il_time deadline)
{
	int rc = il__layer_connect(stream, r->options->layer, r->host, deadline);

	if (rc == -ETIMEDOUT && !il__has_refused(rc))
		il__refuse(rc, "%s: %s, port %s: connected, but the layer did not begin in time",
			   r->function, r->host ? r->host : "localhost", r->port);
	return rc;
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
	il_stream *plain = NULL;
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
	r.network = il__network_of(r.task->loop);
	deadline = il__deadline_from(il__loop_now(r.task->loop), o.timeout);
	rc = connect_prepare(&r, deadline);
	if (rc == 0)
		rc = connect_run(&r, deadline);
	if (rc < 0 && rc == r.error)
		connect_explain(&r);
	rc = connect_end(&r, rc, &plain);
	if (rc == 0 && o.layer)
		rc = connect_layer(&r, &plain, deadline);
	if (rc == 0)
		*stream = plain;
	else
		il_stream_destroy(plain);
	return rc;
}

/* ---- Unix sockets ---- */

/* The path means what it means now, however long the wait. */
static void fix_path(il_address *to, const char *path)
{
	char *absolute = *path == '/' || *path == '@' ? NULL : il__path_absolute(path);

	if (absolute && strlen(absolute) < sizeof((struct sockaddr_un *)NULL)->sun_path)
		il__address_unix(to, absolute, "il_stream_connect_unix");
	il__free(absolute);
}

struct backlog_wait {
	struct il__wait wait;
	const char *path;
};

static void backlog_tell(struct il__report *r, const il_task *task)
{
	const struct backlog_wait *w =
	    il__container_of(task->base->wait, const struct backlog_wait, wait);

	il__report(r, "room in the backlog of %s", w->path);
}

/* The system says -EAGAIN while the listener's backlog is full, and has no event for its end. */
static int connect_unix(il_task *task, int fd, il_address to, const char *path)
{
	const struct backlog_wait w = {{"il_stream_connect_unix", backlog_tell}, path};
	bool waited = false;

	for (;;) {
		int rc = connect(fd, (const struct sockaddr *)&to.storage, to.length);

		if (rc == 0 || errno == EISCONN)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!waited)
			fix_path(&to, path);
		waited = true;
		rc = il__task_check(task);
		if (rc < 0)
			return rc;
		rc =
		    il__task_park_until(task, il__abort_freely, NULL, &w.wait,
					il__deadline_from(il__loop_now(task->loop), BACKLOG_DELAY));
		if (rc < 0 && rc != -ETIMEDOUT)
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
	rc = connect_unix(task, fd, to, path);
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
