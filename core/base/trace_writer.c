/*
 * trace_writer.c: the thread behind a trace: what the records of all rings add up to. The writing thread, but
 * for open, close and abandon. Invariants: the spans of a track are written when they end, from times of one
 * thread, so they nest; an arrow is written when both its ends are known, so it has both.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "trace_writer.h"
#include "base.h"
#include "error.h"
#include "list.h"
#include "memory.h"
#include "os.h"
#include "trace_json.h"

#include <stdio.h>
#include <unistd.h>

enum { BUCKETS = 1 << 12, ARROWS = 1 << 16, LABELS = 256 };

/* Tracks of tasks are numbered beyond the numbers of threads, which Linux has up to 2^22, and within the 32 bits that
 * Perfetto reads. */
static const uint64_t TASKS = UINT64_C(1) << 31;

/* Rows of the picture, from the top. */
enum { ORDER_LOOP = 1, ORDER_TASK, ORDER_THREAD };

/* A task that lives. */
struct traced_task {
	struct il__list link; /* its bucket */
	const void *task;
	const struct il__trace_ring *ring; /* its loop's; compared only */
	uint64_t number;
	il_fn *fn;
	char name[IL__TRACE_NAME];
	/* It waits, since then; 0: it runs, or nothing is known. */
	il_time waits_since;
	const char *waits_for;
};

/* The one end of an arrow whose other end is not known yet. */
struct half_arrow {
	uint64_t id; /* 0: none */
	bool has_from;
	struct il__trace_spot spot;
};

struct label {
	il_fn *fn;
	char text[IL__TRACE_NAME];
};

struct il__trace_writer {
	struct il__trace_json json;
	int process;
	uint64_t tasks; /* numbered so far */
	uint64_t dropped;
	struct il__list buckets[BUCKETS];
	struct half_arrow arrows[ARROWS]; /* by id: one that is very late is lost */
	struct label labels[LABELS];
	int workers[64]; /* worker processes that have their names */
	unsigned worker_count;
};

/* ---- names ---- */

/* A static function has no name in a release build: its place is what addr2line takes. */
static void find_label(struct label *label, il_fn *fn)
{
	char text[IL__TRACE_NAME / 2];
	const void *address = (const void *)(uintptr_t)fn;
	struct il__os_place place;

	label->fn = fn;
	if (!il__os_find_place(address, &place))
		snprintf(text, sizeof text, "%p", address);
	else if (place.symbol)
		snprintf(text, sizeof text, "%s", place.symbol);
	else
		snprintf(text, sizeof text, "%s+0x%zx", place.object, place.offset);
	il__trace_json_escape(label->text, sizeof label->text, text);
}

static const char *label_of(struct il__trace_writer *w, il_fn *fn)
{
	struct label *label = &w->labels[(uintptr_t)fn / 16 % LABELS];

	if (label->fn != fn)
		find_label(label, fn);
	return label->text;
}

static struct il__trace_track track_of_thread(const struct il__trace_writer *w,
					      const struct il__trace_ring *ring)
{
	return (struct il__trace_track){w->process, (uint64_t)ring->number};
}

static void name_thread(struct il__trace_writer *w, struct il__trace_ring *ring, const char *loop)
{
	char name[64], escaped[IL__TRACE_NAME];

	if (ring->named && ring->loop == loop)
		return;
	ring->named = true;
	ring->loop = loop;
	if (loop)
		snprintf(name, sizeof name, "loop %s (%s)", ring->thread, loop);
	else
		snprintf(name, sizeof name, "thread %s", ring->thread);
	il__trace_json_escape(escaped, sizeof escaped, name);
	il__trace_json_name(&w->json, "thread_name", track_of_thread(w, ring), escaped);
	il__trace_json_order(&w->json, track_of_thread(w, ring), loop ? ORDER_LOOP : ORDER_THREAD);
}

static struct il__trace_track track_of_worker(struct il__trace_writer *w, int process)
{
	const struct il__trace_track track = {process, (uint64_t)process};
	unsigned known = w->worker_count < 64 ? w->worker_count : 64;

	for (unsigned i = 0; i < known; i++)
		if (w->workers[i] == process)
			return track;
	w->workers[w->worker_count++ % 64] = process;
	il__trace_json_name(&w->json, "process_name", track, "worker process");
	il__trace_json_name(&w->json, "thread_name", track, "worker process");
	return track;
}

/* ---- tasks ---- */

static struct il__list *bucket_of(struct il__trace_writer *w, const void *task)
{
	return &w->buckets[(uintptr_t)task / 128 % BUCKETS];
}

static struct traced_task *find_task(struct il__trace_writer *w, const void *task)
{
	il__list_each (node, bucket_of(w, task)) {
		struct traced_task *t = il__container_of(node, struct traced_task, link);
		if (t->task == task)
			return t;
	}
	return NULL;
}

static struct il__trace_track track_of_task(const struct il__trace_writer *w,
					    const struct traced_task *t)
{
	return (struct il__trace_track){w->process, TASKS + t->number % TASKS};
}

/* What people know it by; unnamed tasks that run the same function are told apart by their numbers. */
static void name_task(struct il__trace_writer *w, struct traced_task *t, const char *name)
{
	if (name[0])
		il__trace_json_escape(t->name, sizeof t->name, name);
	else
		snprintf(t->name, sizeof t->name, "task %llu %.*s", (unsigned long long)t->number,
			 IL__TRACE_NAME - 32, label_of(w, t->fn));
	il__trace_json_name(&w->json, "thread_name", track_of_task(w, t), t->name);
}

static struct traced_task *add_task(struct il__trace_writer *w, const struct il__trace_ring *ring,
				    const void *task)
{
	struct traced_task *t = il__calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->task = task;
	t->ring = ring;
	t->number = ++w->tasks;
	il__list_push(bucket_of(w, task), &t->link);
	il__trace_json_order(&w->json, track_of_task(w, t), ORDER_TASK);
	return t;
}

static void drop_task(struct traced_task *t)
{
	il__list_remove(&t->link);
	il__free(t);
}

/* It may have taken the memory of one whose end was dropped. */
static void take_task(struct il__trace_writer *w, const struct il__trace_ring *ring,
		      const struct il__trace_record *r)
{
	struct traced_task *t = find_task(w, r->task.task);

	if (t && t->fn != r->task.fn) {
		drop_task(t);
		t = NULL;
	}
	if (!t && !(t = add_task(w, ring, r->task.task))) {
		w->dropped++;
		return;
	}
	t->fn = r->task.fn;
	name_task(w, t, r->task.name);
}

static void span_of_wait(struct il__trace_writer *w, struct traced_task *t, il_time now)
{
	if (!t->waits_since)
		return;
	il__trace_json_span(&w->json, track_of_task(w, t), "waiting",
			    t->waits_for ? t->waits_for : "ready", t->waits_since, now);
	t->waits_since = 0;
}

/* On the task's own track, and on that of its loop. */
static void span_of_run(struct il__trace_writer *w, const struct il__trace_ring *ring,
			const struct traced_task *t, il_time now)
{
	if (!ring->runs_since)
		return;
	il__trace_json_span(&w->json, track_of_task(w, t), "running", "running", ring->runs_since,
			    now);
	il__trace_json_span(&w->json, track_of_thread(w, ring), "task", t->name, ring->runs_since,
			    now);
}

static void leave_task(struct il__trace_writer *w, struct il__trace_ring *ring,
		       const struct il__trace_record *r)
{
	struct traced_task *t = find_task(w, r->change.from);

	if (!t)
		return;
	if (ring->runs == r->change.from)
		span_of_run(w, ring, t, r->time);
	if (r->detail == IL__TRACE_ENDED) {
		drop_task(t);
		return;
	}
	t->waits_since = r->time;
	t->waits_for = r->detail == IL__TRACE_PARKED ? r->change.waits_for : NULL;
}

static void take_change(struct il__trace_writer *w, struct il__trace_ring *ring,
			const struct il__trace_record *r)
{
	struct traced_task *t = r->change.to ? find_task(w, r->change.to) : NULL;

	leave_task(w, ring, r);
	ring->runs = r->change.to;
	ring->runs_since = r->time;
	if (t)
		span_of_wait(w, t, r->time);
}

/* ---- turns, spans, arrows, gaps ---- */

static void end_turn(struct il__trace_writer *w, struct il__trace_ring *ring, il_time now)
{
	if (ring->turn_since)
		il__trace_json_span(&w->json, track_of_thread(w, ring), "turn", "turn",
				    ring->turn_since, now);
	ring->turn_since = 0;
}

/* One that began before the trace did says nothing when it ends: it ended after its last record. */
static void take_turn(struct il__trace_writer *w, struct il__trace_ring *ring,
		      const struct il__trace_record *r)
{
	name_thread(w, ring, r->turn.loop);
	end_turn(w, ring, r->detail ? ring->last : r->time);
	if (r->detail)
		ring->turn_since = r->time;
}

static struct il__trace_track track_at(struct il__trace_writer *w,
				       const struct il__trace_ring *ring, int where)
{
	struct traced_task *t;

	if (where != IL__TRACE_HERE)
		return track_of_worker(w, where);
	t = ring->runs ? find_task(w, ring->runs) : NULL;
	return t ? track_of_task(w, t) : track_of_thread(w, ring);
}

static void take_span(struct il__trace_writer *w, struct il__trace_ring *ring,
		      const struct il__trace_record *r)
{
	char name[IL__TRACE_NAME + 32];

	name_thread(w, ring, ring->loop);
	if (r->span.fn)
		snprintf(name, sizeof name, "%s %s", r->span.what, label_of(w, r->span.fn));
	else
		snprintf(name, sizeof name, "%s", r->span.what);
	il__trace_json_span(&w->json, track_at(w, ring, r->span.where), r->span.what, name, r->time,
			    r->span.end);
}

static void take_point(struct il__trace_writer *w, struct il__trace_ring *ring,
		       const struct il__trace_record *r)
{
	const bool first = r->detail == IL__TRACE_SENT || r->detail == IL__TRACE_RUN;
	const bool from = r->detail == IL__TRACE_SENT || r->detail == IL__TRACE_DONE;
	const uint64_t id = (uint64_t)r->id * 2 + !first;
	struct il__trace_spot here = {track_at(w, ring, r->point.where), r->time};
	struct half_arrow *half = &w->arrows[id % ARROWS];

	name_thread(w, ring, ring->loop);
	if (half->id != id || half->has_from == from) {
		*half = (struct half_arrow){id, from, here};
		return;
	}
	half->id = 0;
	if (from && here.time <= half->spot.time)
		il__trace_json_arrow(&w->json, id, &here, &half->spot);
	else if (!from && half->spot.time <= here.time)
		il__trace_json_arrow(&w->json, id, &half->spot, &here);
}

/* Of tasks that live when the trace ends, or has a gap: their spans until now, or none. */
static void end_waits(struct il__trace_writer *w, const struct il__trace_ring *ring, il_time now)
{
	for (size_t i = 0; i < BUCKETS; i++)
		il__list_each (node, &w->buckets[i]) {
			struct traced_task *t = il__container_of(node, struct traced_task, link);
			if (t->ring == ring && now)
				span_of_wait(w, t, now);
			else if (t->ring == ring)
				t->waits_since = 0;
		}
}

/* What the thread did meanwhile is not known. */
static void take_gap(struct il__trace_writer *w, struct il__trace_ring *ring, il_time time,
		     uint64_t dropped)
{
	w->dropped += dropped;
	il__trace_json_gap(&w->json, track_of_thread(w, ring), time, dropped);
	ring->runs = NULL;
	ring->runs_since = ring->turn_since = 0;
	end_waits(w, ring, 0);
}

static void take(struct il__trace_writer *w, struct il__trace_ring *ring,
		 const struct il__trace_record *r)
{
	switch ((enum il__trace_kind)r->kind) {
	case IL__TRACE_TURN:
		take_turn(w, ring, r);
		break;
	case IL__TRACE_CHANGE:
		take_change(w, ring, r);
		break;
	case IL__TRACE_TASK:
		take_task(w, ring, r);
		break;
	case IL__TRACE_SPAN:
		take_span(w, ring, r);
		break;
	case IL__TRACE_POINT:
		take_point(w, ring, r);
		break;
	case IL__TRACE_GAP:
		take_gap(w, ring, r->time, r->gap.dropped);
		break;
	}
}

void il__trace_writer_take(struct il__trace_writer *w, struct il__trace_ring *ring,
			   const struct il__trace_record *r)
{
	take(w, ring, r);
	ring->last = r->kind == IL__TRACE_SPAN ? r->span.end : r->time;
}

void il__trace_writer_leave(struct il__trace_writer *w, struct il__trace_ring *ring, size_t dropped)
{
	struct traced_task *t = ring->runs ? find_task(w, ring->runs) : NULL;
	const il_time now = il__os_now();

	w->dropped += dropped;
	if (dropped)
		return;
	if (t)
		span_of_run(w, ring, t, now);
	end_turn(w, ring, now);
	end_waits(w, ring, now);
}

/* ---- open and close ---- */

static void name_process(struct il__trace_writer *w)
{
	const struct il__trace_track track = {w->process, 0};
	char name[IL__TRACE_NAME] = "interloop";

#ifdef __linux__
	il__trace_json_escape(name, sizeof name, program_invocation_short_name);
#endif
	il__trace_json_name(&w->json, "process_name", track, name);
}

struct il__trace_writer *il__trace_writer_open(int fd, il_time start)
{
	struct il__trace_writer *w = il__calloc(1, sizeof *w);

	if (!w)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		il__list_init(&w->buckets[i]);
	w->process = (int)getpid();
	il__trace_json_begin(&w->json, fd, start);
	name_process(w);
	return w;
}

void il__trace_writer_flush(struct il__trace_writer *w)
{
	il__trace_json_flush(&w->json);
}

static void free_tasks(struct il__trace_writer *w)
{
	for (size_t i = 0; i < BUCKETS; i++)
		il__list_each_safe (node, &w->buckets[i])
			drop_task(il__container_of(node, struct traced_task, link));
}

int il__trace_writer_close(struct il__trace_writer *w, size_t lost)
{
	int rc;

	w->dropped += lost;
	free_tasks(w);
	if (w->dropped)
		il__log(IL_LOG_WARNING,
			"trace: %llu events were dropped, for they came faster than they could be "
			"written; raise il_trace_options.events",
			(unsigned long long)w->dropped);
	il__trace_json_end(&w->json, w->process, w->dropped);
	rc = w->json.rc;
	il__free(w);
	return rc;
}

void il__trace_writer_abandon(struct il__trace_writer *w)
{
	free_tasks(w);
	il__free(w);
}
