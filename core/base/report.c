/*
 * report.c: writing a report. Nothing is allocated, so that it can be had where memory is short. A pipe or
 * terminal whose reader has stopped must not stop the program: what is not taken within a second is not written.
 */
#include "report.h"
#include "escape.h"
#include "os.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { DEEPEST = 20 };

#define PATIENCE IL_SEC(1)

/* No more than a pipe takes as a whole once it is writable, so one that must be used blocking does not block. */
_Static_assert(sizeof((struct il__report *)0)->text <= 4096, "PIPE_BUF on Linux");

void il__report_begin(struct il__report *r, int fd)
{
	r->fd = il__os_nonblocking(fd);
	r->own = r->fd != fd;
	r->rc = 0;
	r->used = 0;
	r->now = 0;
}

/* 0: it may be written to. Signals do not prolong it. */
static int report_wait(int fd, il_time deadline)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int rc;

	do {
		il_time left = deadline - il__os_now();
		rc = poll(&p, 1, left > 0 ? (int)((left - 1) / IL_MSEC(1)) + 1 : 0);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	return rc ? 0 : -ETIMEDOUT;
}

static void report_flush(struct il__report *r)
{
	const il_time deadline = il__os_now() + PATIENCE;
	size_t done = 0;

	while (done < r->used && r->rc == 0) {
		const struct iovec rest = {r->text + done, r->used - done};
		ssize_t n;
		r->rc = report_wait(r->fd, deadline);
		n = r->rc == 0 ? il__os_write_pieces(r->fd, &rest, 1) : 0;
		if (n >= 0)
			done += (size_t)n;
		else if (n != -EAGAIN)
			r->rc = (int)n;
		else if (il__os_now() >= deadline)
			r->rc = -ETIMEDOUT;
		else
			poll(NULL, 0, 1); /* it has room, but not for a whole line break */
	}
	r->used = 0;
}

int il__report_end(struct il__report *r)
{
	report_flush(r);
	if (r->own)
		close(r->fd);
	return r->rc;
}

static void report_add(struct il__report *r, const char *text, size_t size)
{
	if (size > sizeof r->text - r->used)
		report_flush(r);
	memcpy(r->text + r->used, text, size);
	r->used += size;
}

void il__report_indent(struct il__report *r, size_t steps)
{
	for (size_t i = 0; i < steps && i < DEEPEST; i++)
		report_add(r, "  ", 2);
}

void il__report_line_end(struct il__report *r)
{
	report_add(r, "\n", 1);
}

void il__report(struct il__report *r, const char *format, ...)
{
	char piece[512];
	va_list args;

	va_start(args, format);
	il__text_format(piece, sizeof piece, format, args);
	va_end(args);
	report_add(r, piece, strlen(piece));
}

void il__report_duration(struct il__report *r, il_time duration)
{
	if (duration < 0)
		duration = 0;
	il__report(r, "%lld.%03d s", (long long)(duration / IL_SEC(1)),
		   (int)(duration % IL_SEC(1) / IL_MSEC(1)));
}

void il__report_until(struct il__report *r, il_time then)
{
	il__report_duration(r, then > r->now ? then - r->now : 0);
}

/* ---- functions ---- */

_Atomic(struct il__report_name *) il__report_names;

void il__report_know(struct il__report_name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!atomic_load_explicit(&names[i].known, memory_order_relaxed) &&
		    !atomic_exchange(&names[i].known, true)) {
			names[i].next = atomic_load(&il__report_names);
			while (!atomic_compare_exchange_weak(&il__report_names, &names[i].next,
							     &names[i]))
				;
		}
}

static const struct il__report_name *report_name_of(il_fn *fn)
{
	const struct il__report_name *n = atomic_load(&il__report_names);

	while (n && n->fn != fn)
		n = n->next;
	return n;
}

il_fn *il__report_function_of(il_fn *fn, const void *arg)
{
	const struct il__report_name *name = arg ? report_name_of(fn) : NULL;

	if (name && name->fn_at)
		memcpy(&fn, (const char *)arg + name->fn_at, sizeof fn);
	return fn;
}

void il__report_function_text(il_fn *fn, const void *arg, char *text, size_t size)
{
	struct il__os_place place;
	void *address;
	const struct il__report_name *name;

	fn = il__report_function_of(fn, arg);
	name = report_name_of(fn);
	memcpy(&address, &fn, sizeof address);
	if (name)
		snprintf(text, size, "%s", name->name);
	else if (!il__os_find_place(address, &place))
		snprintf(text, size, "%p", address);
	else if (place.symbol)
		snprintf(text, size, "%s", place.symbol);
	else
		snprintf(text, size, "%s+0x%zx", place.object, place.offset);
}

void il__report_function(struct il__report *r, il_fn *fn)
{
	char text[256];

	il__report_function_text(fn, NULL, text, sizeof text);
	il__report(r, "%s", text);
}

void il__report_call(struct il__report *r, il_fn *fn, const void *arg)
{
	const struct il__report_name *name = report_name_of(fn);

	il__report_function(r, fn);
	if (name && name->tell)
		name->tell(r, arg);
}
