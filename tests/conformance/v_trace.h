/*
 * v_trace.h: what the tests of traces share: a trace into a file without a name, and its reader, which takes JSON as
 * RFC 8259 has it and nothing else.
 */
#ifndef IL_TESTS_V_TRACE_H
#define IL_TESTS_V_TRACE_H

#include "harness.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct event {
	char phase, name[64], label[64];     /* label: args.name */
	long long process, track, id, count; /* count: args.dropped_events */
	long long time, length;              /* nanoseconds */
};

struct events {
	struct event *all;
	size_t count;
	const char *at; /* what is being read; NULL: it is no JSON */
};

/* ---- JSON ---- */

static inline void json_space(struct events *e)
{
	while (e->at && isspace((unsigned char)*e->at))
		e->at++;
}

static inline bool json_take(struct events *e, char c)
{
	json_space(e);
	if (!e->at || *e->at != c)
		return false;
	e->at++;
	return true;
}

static inline void json_need(struct events *e, char c)
{
	if (!json_take(e, c))
		e->at = NULL;
}

static inline void json_text(struct events *e, char *to, size_t size)
{
	size_t n = 0;

	json_need(e, '"');
	while (e->at && *e->at != '"') {
		if (*e->at == '\\')
			e->at++;
		if ((unsigned char)*e->at < 0x20) {
			e->at = NULL;
			return;
		}
		if (n + 1 < size)
			to[n++] = *e->at;
		e->at++;
	}
	to[n] = '\0';
	json_need(e, '"');
}

/* In thousandths. */
static inline long long json_number(struct events *e)
{
	long long n = 0, scale = 1000;

	json_space(e);
	if (!e->at || !isdigit((unsigned char)*e->at))
		e->at = NULL;
	while (e->at && isdigit((unsigned char)*e->at))
		n = n * 10 + (*e->at++ - '0');
	n *= scale;
	if (e->at && *e->at == '.')
		for (e->at++; isdigit((unsigned char)*e->at); e->at++)
			n += (*e->at - '0') * (scale /= 10);
	return n;
}

static inline void json_member(struct events *e, struct event *event, bool args);

static inline void json_object(struct events *e, struct event *event, bool args)
{
	json_need(e, '{');
	if (json_take(e, '}'))
		return;
	do
		json_member(e, event, args);
	while (e->at && json_take(e, ','));
	json_need(e, '}');
}

static inline void json_member(struct events *e, struct event *event, bool args)
{
	char key[32], text[64] = "";
	long long n = 0;

	json_text(e, key, sizeof key);
	json_need(e, ':');
	json_space(e);
	if (!e->at)
		return;
	if (*e->at == '{') {
		json_object(e, event, true);
		return;
	}
	if (*e->at == '"')
		json_text(e, text, sizeof text);
	else
		n = json_number(e);
	if (args && strcmp(key, "name") == 0)
		strcpy(event->label, text);
	else if (strcmp(key, "name") == 0)
		strcpy(event->name, text);
	else if (strcmp(key, "ph") == 0)
		event->phase = text[0];
	else if (strcmp(key, "pid") == 0)
		event->process = n / 1000;
	else if (strcmp(key, "tid") == 0)
		event->track = n / 1000;
	else if (strcmp(key, "id") == 0)
		event->id = n / 1000;
	else if (strcmp(key, "ts") == 0)
		event->time = n;
	else if (strcmp(key, "dur") == 0)
		event->length = n;
	else if (strcmp(key, "dropped_events") == 0)
		event->count = n / 1000;
}

static inline struct event *events_add(struct events *e)
{
	if ((e->count & (e->count - 1)) == 0)
		e->all = realloc(e->all, (e->count ? 2 * e->count : 1) * sizeof *e->all);
	CHECK(e->all);
	e->all[e->count] = (struct event){.phase = 0};
	return &e->all[e->count++];
}

static inline struct events events_parse(const char *text)
{
	struct events e = {.at = text};

	json_need(&e, '[');
	do
		json_object(&e, events_add(&e), false);
	while (e.at && json_take(&e, ','));
	json_need(&e, ']');
	json_space(&e);
	CHECK(e.at && *e.at == '\0');
	return e;
}

/* ---- a trace ---- */

static inline int trace_file(void)
{
	char path[] = "/tmp/interloop-trace-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	unlink(path);
	return fd;
}

/* All who show traces read numbers of 32 bits, and no task's is a thread's. */
static inline void check_track(const struct event *e)
{
	CHECK(e->track <= UINT32_MAX);
	if (strcmp(e->name, "running") == 0)
		CHECK(e->track > 1 << 22);
}

/* Closes it. */
static inline struct events trace_read(int fd)
{
	struct events e;
	struct stat st;
	size_t size, used = 0;
	char *text;

	CHECK_EQ(fstat(fd, &st), 0);
	size = (size_t)st.st_size;
	text = malloc(size + 1);
	CHECK(text);
	while (used < size) {
		ssize_t n = pread(fd, text + used, size - used, (off_t)used);
		CHECK(n > 0);
		used += (size_t)n;
	}
	text[size] = '\0';
	close(fd);
	e = events_parse(text);
	free(text);
	for (size_t i = 0; i < e.count; i++)
		check_track(&e.all[i]);
	return e;
}

/* ---- what is asked of one ---- */

/* By track, time, and the outer one first. */
static inline int event_order(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (x->track != y->track)
		return x->track < y->track ? -1 : 1;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->length > y->length ? -1 : x->length < y->length;
}

static inline long long event_end(const struct event *e)
{
	return e->time + e->length;
}

static inline bool same_track(const struct event *a, const struct event *b)
{
	return a->process == b->process && a->track == b->track;
}

/* Sorts the events. */
static inline void check_nesting(struct events *e)
{
	const struct event *open[16];
	size_t depth = 0;

	qsort(e->all, e->count, sizeof *e->all, event_order);
	for (size_t i = 0; i < e->count; i++) {
		const struct event *now = &e->all[i];
		if (now->phase != 'X')
			continue;
		while (depth && (!same_track(open[depth - 1], now) ||
				 event_end(open[depth - 1]) <= now->time))
			depth--;
		if (depth && event_end(now) > event_end(open[depth - 1]))
			il_test_fail(__FILE__, __LINE__,
				     "\"%s\" ends after \"%s\", in which it began", now->name,
				     open[depth - 1]->name);
		CHECK(depth < 16);
		open[depth++] = now;
	}
}

static inline bool lies_in_a_span(const struct events *e, const struct event *end)
{
	for (size_t i = 0; i < e->count; i++) {
		const struct event *span = &e->all[i];
		if (span->phase == 'X' && same_track(span, end) && span->time <= end->time &&
		    end->time <= event_end(span))
			return true;
	}
	return false;
}

static inline const struct event *other_end(const struct events *e, const struct event *end)
{
	const struct event *found = NULL;

	for (size_t i = 0; i < e->count; i++)
		if (e->all[i].id == end->id && e->all[i].phase == (end->phase == 's' ? 'f' : 's')) {
			CHECK(!found);
			found = &e->all[i];
		}
	return found;
}

/* Each has both ends, inside of spans; returns their number. */
static inline size_t check_arrows(const struct events *e)
{
	size_t arrows = 0;

	for (size_t i = 0; i < e->count; i++) {
		const struct event *end = &e->all[i], *other;
		if (end->phase != 's' && end->phase != 'f')
			continue;
		other = other_end(e, end);
		CHECK(other);
		CHECK(end->phase == 's' ? end->time <= other->time : other->time <= end->time);
		if (!lies_in_a_span(e, end))
			il_test_fail(__FILE__, __LINE__,
				     "arrow %lld, '%c': track %lld has no span at %lld ns", end->id,
				     end->phase, end->track, end->time);
		arrows += end->phase == 's';
	}
	return arrows;
}

static inline size_t spans_called(const struct events *e, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += e->all[i].phase == 'X' && strncmp(e->all[i].name, name, strlen(name)) == 0;
	return n;
}

static inline size_t tracks_called(const struct events *e, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < e->count; i++)
		n += e->all[i].phase == 'M' && strcmp(e->all[i].name, "thread_name") == 0 &&
		     strncmp(e->all[i].label, name, strlen(name)) == 0;
	return n;
}

static inline long long events_dropped(const struct events *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (strcmp(e->all[i].name, "interloop") == 0)
			return e->all[i].count;
	return -1;
}

#endif
