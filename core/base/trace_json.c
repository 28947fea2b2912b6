/*
 * trace_json.c: events in Chrome's trace format, an array of objects, one a line: chrome://tracing and Perfetto also
 * read one whose end is missing. Times are in microseconds. One thread at a time.
 */
#include "trace_json.h"
#include "escape.h"
#include "os.h"

#include <poll.h>

enum { EVENT_MAX = 512 }; /* bytes of one event */

/* ---- bytes ---- */

/* What can be waited for is: a pipe that was made non-blocking. The last bytes are written in a thread of the
 * program's, where a pipe without a reader must not end it. */
static ssize_t write_some(int fd, const char *from, size_t size)
{
	const struct iovec piece = {(void *)(uintptr_t)from, size};
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	ssize_t n = il__os_write_pieces(fd, &piece, 1);

	if (n == -EAGAIN)
		return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
	return n;
}

void il__trace_json_flush(struct il__trace_json *j)
{
	for (size_t at = 0; at < j->used && j->rc == 0;) {
		ssize_t n = write_some(j->fd, j->buffer + at, j->used - at);
		if (n < 0)
			j->rc = (int)n;
		else
			at += (size_t)n;
	}
	j->used = 0;
}

static inline void json_put_bytes(struct il__trace_json *j, const char *from, size_t size)
{
	memcpy(j->buffer + j->used, from, size);
	j->used += size;
}

/* A literal. */
#define json_put(j, text) json_put_bytes(j, text, sizeof(text) - 1)

static void json_put_text(struct il__trace_json *j, const char *text)
{
	json_put_bytes(j, text, strlen(text));
}

static void json_put_number(struct il__trace_json *j, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10));
	memcpy(j->buffer + j->used, digits + at, sizeof digits - at);
	j->used += sizeof digits - at;
}

/* Nanoseconds as microseconds. */
static void json_put_time(struct il__trace_json *j, il_time t)
{
	uint64_t n = t > 0 ? (uint64_t)t : 0;
	const char rest[] = {'.', (char)('0' + n / 100 % 10), (char)('0' + n / 10 % 10),
			     (char)('0' + n % 10)};

	json_put_number(j, n / 1000);
	json_put_bytes(j, rest, sizeof rest);
}

void il__trace_json_escape(char *to, size_t size, const char *name)
{
	char shown[IL__TRACE_NAME / 2];
	size_t n = 0;

	il__text_escape(shown, sizeof shown, name, strlen(name));
	for (const char *c = shown; *c && n + 2 < size; c++) {
		if (*c == '"' || *c == '\\')
			to[n++] = '\\';
		to[n++] = *c;
	}
	to[n] = '\0';
}

/* ---- events ---- */

static void event_begin(struct il__trace_json *j, char phase, struct il__trace_track track)
{
	if (j->used + EVENT_MAX > sizeof j->buffer)
		il__trace_json_flush(j);
	if (j->events++)
		json_put(j, ",\n{\"ph\":\"");
	else
		json_put(j, "[\n{\"ph\":\"");
	j->buffer[j->used++] = phase;
	json_put(j, "\",\"pid\":");
	json_put_number(j, (uint64_t)track.process);
	json_put(j, ",\"tid\":");
	json_put_number(j, track.number);
}

static void event_at(struct il__trace_json *j, il_time time)
{
	json_put(j, ",\"ts\":");
	json_put_time(j, time - j->start);
}

void il__trace_json_begin(struct il__trace_json *j, int fd, il_time start)
{
	j->fd = fd;
	j->start = start;
	j->rc = 0;
	j->used = j->events = 0;
}

void il__trace_json_name(struct il__trace_json *j, const char *what, struct il__trace_track track,
			 const char *name)
{
	event_begin(j, 'M', track);
	json_put(j, ",\"name\":\"");
	json_put_text(j, what);
	json_put(j, "\",\"args\":{\"name\":\"");
	json_put_text(j, name);
	json_put(j, "\"}}");
}

void il__trace_json_order(struct il__trace_json *j, struct il__trace_track track, int order)
{
	event_begin(j, 'M', track);
	json_put(j, ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":");
	json_put_number(j, (uint64_t)order);
	json_put(j, "}}");
}

void il__trace_json_span(struct il__trace_json *j, struct il__trace_track track, const char *kind,
			 const char *name, il_time begin, il_time end)
{
	event_begin(j, 'X', track);
	event_at(j, begin);
	json_put(j, ",\"dur\":");
	json_put_time(j, end > begin ? end - begin : 0);
	json_put(j, ",\"cat\":\"");
	json_put_text(j, kind);
	json_put(j, "\",\"name\":\"");
	json_put_text(j, name);
	json_put(j, "\"}");
}

static void arrow_end(struct il__trace_json *j, char phase, uint64_t id,
		      const struct il__trace_spot *spot)
{
	event_begin(j, phase, spot->track);
	event_at(j, spot->time);
	json_put(j, ",\"id\":");
	json_put_number(j, id);
	json_put(j, ",\"cat\":\"call\",\"name\":\"call\"");
	if (phase == 'f')
		json_put(j, ",\"bp\":\"e\"");
	json_put(j, "}");
}

void il__trace_json_arrow(struct il__trace_json *j, uint64_t id, const struct il__trace_spot *from,
			  const struct il__trace_spot *to)
{
	arrow_end(j, 's', id, from);
	arrow_end(j, 'f', id, to);
}

void il__trace_json_gap(struct il__trace_json *j, struct il__trace_track track, il_time time,
			uint64_t dropped)
{
	event_begin(j, 'i', track);
	event_at(j, time);
	json_put(j, ",\"s\":\"t\",\"name\":\"dropped\",\"args\":{\"events\":");
	json_put_number(j, dropped);
	json_put(j, "}}");
}

void il__trace_json_end(struct il__trace_json *j, int process, uint64_t dropped)
{
	const struct il__trace_track track = {process, 0};

	event_begin(j, 'M', track);
	json_put(j, ",\"name\":\"interloop\",\"args\":{\"dropped_events\":");
	json_put_number(j, dropped);
	json_put(j, "}}\n]\n");
	il__trace_json_flush(j);
}
