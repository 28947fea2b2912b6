/*
 * trace.c: the rings of a trace: one a thread, which only this thread fills and only the writer empties. A full ring
 * drops what comes, counts it, and takes records again when half of it is free: so a trace that was too fast
 * has gaps, and is whole between them. Any thread.
 *
 * head     the thread stores it (release) behind a record, the writer loads it (acquire).
 * tail     the writer stores it (release) behind what it has read, the thread loads it (acquire).
 * session  rings of a trace before this one are not read any more. A thread that comes to record something
 *          gives such a ring back and takes another.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "trace.h"
#include "error.h"
#include "fork.h"
#include "memory.h"
#include "os.h"
#include "parker.h"
#include "report.h"
#include "trace_writer.h"

#include <unistd.h>

atomic_bool il__tracing;

static void nothing_to_tell(void)
{
}

void (*il__trace_introduce)(void) = nothing_to_tell;
static void (*trace_on_turn)(bool on);

void il__trace_on_turn(void (*fn)(bool on))
{
	trace_on_turn = fn;
}

static IL__THREAD_LOCAL struct il__trace_ring *own;
static atomic_uint epochs, calls, session;

/* Under the lock, but for what the writer alone uses between begin and end. */
static struct {
	pthread_mutex_t lock;
	bool running, ending;
	size_t events;                      /* a ring has room for */
	struct il__trace_ring *rings, *old; /* of this session; of others, whose threads live */
	size_t lost;                        /* there was no memory for a ring */
	pthread_t thread;
	struct il__parker parker;
	struct il__trace_writer *writer;
} trace = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- rings ---- */

static void ring_unlink(struct il__trace_ring **list, struct il__trace_ring *ring)
{
	while (*list && *list != ring)
		list = &(*list)->next;
	if (*list)
		*list = ring->next;
}

/* Under the lock: its thread uses it no more. */
static void ring_leave(struct il__trace_ring *ring)
{
	if (ring->session == atomic_load_explicit(&session, memory_order_relaxed) &&
	    trace.running) {
		atomic_store_explicit(&ring->gone, true, memory_order_release);
		return;
	}
	ring_unlink(&trace.old, ring);
	il__free_lines(ring);
}

static pthread_key_t end_key;
static bool has_end_key; /* the system has few: without one the ring of a thread is lost */
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static void on_thread_end(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&trace.lock);
	if (own)
		ring_leave(own);
	own = NULL;
	pthread_mutex_unlock(&trace.lock);
}

static void make_end_key(void)
{
	has_end_key = pthread_key_create(&end_key, on_thread_end) == 0;
}

static int thread_number(void)
{
#ifdef __linux__
	return gettid();
#else
	static atomic_int threads;
	return atomic_fetch_add(&threads, 1) + 1;
#endif
}

static void ring_init(struct il__trace_ring *ring, size_t size)
{
	memset(ring, 0, sizeof *ring);
	ring->size = size;
	ring->session = atomic_load_explicit(&session, memory_order_relaxed);
	ring->epoch = atomic_fetch_add(&epochs, 1) + 1;
	ring->number = thread_number();
#ifdef __linux__
	pthread_getname_np(pthread_self(), ring->thread, sizeof ring->thread);
#endif
}

/* Under the lock. */
static struct il__trace_ring *ring_make(void)
{
	struct il__trace_ring *ring =
	    il__malloc_lines(sizeof *ring + trace.events * sizeof ring->records[0]);

	if (!ring) {
		trace.lost++;
		return NULL;
	}
	ring_init(ring, trace.events);
	ring->next = trace.rings;
	trace.rings = ring;
	return ring;
}

/* The first record of this thread in this trace. */
static __attribute__((noinline, cold)) struct il__trace_ring *ring_get(void)
{
	int saved = errno;

	pthread_once(&end_once, make_end_key);
	pthread_mutex_lock(&trace.lock);
	if (own)
		ring_leave(own);
	own = trace.running && !trace.ending ? ring_make() : NULL;
	pthread_mutex_unlock(&trace.lock);
	if (own && has_end_key)
		pthread_setspecific(end_key, own);
	if (own)
		il__trace_introduce();
	errno = saved;
	return own;
}

/* ---- records ---- */

static size_t ring_room(struct il__trace_ring *ring, size_t head)
{
	ring->known_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	return ring->size - (head - ring->known_tail);
}

static bool trace_drop(struct il__trace_ring *ring)
{
	atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
	return false;
}

static void commit(struct il__trace_ring *ring)
{
	atomic_store_explicit(&ring->head,
			      atomic_load_explicit(&ring->head, memory_order_relaxed) + 1,
			      memory_order_release);
}

/* The ring was full: whether it takes records again. Then the first one says how many it has lost. */
static __attribute__((noinline, cold)) bool ring_recover(struct il__trace_ring *ring, size_t head)
{
	struct il__trace_record *r = &ring->records[head & (ring->size - 1)];

	if (ring_room(ring, head) < ring->size / 2)
		return trace_drop(ring);
	r->time = il__os_now();
	r->kind = IL__TRACE_GAP;
	r->gap.dropped = atomic_exchange_explicit(&ring->dropped, 0, memory_order_relaxed);
	ring->epoch = atomic_fetch_add(&epochs, 1) + 1;
	commit(ring);
	il__trace_introduce();
	return true;
}

/* This thread's; NULL: there is none. */
static inline struct il__trace_ring *own_ring(void)
{
	struct il__trace_ring *ring = own;

	if (il__unlikely(!ring ||
			 ring->session != atomic_load_explicit(&session, memory_order_relaxed)))
		ring = ring_get();
	return ring;
}

/* Room for one record, of now if time is 0; NULL: it is dropped. */
static struct il__trace_record *trace_take(enum il__trace_kind kind, il_time time)
{
	struct il__trace_ring *ring = own_ring();
	struct il__trace_record *r;
	size_t head;

	if (il__unlikely(!ring))
		return NULL;
	head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	if (il__unlikely(atomic_load_explicit(&ring->dropped, memory_order_relaxed))) {
		if (!ring_recover(ring, head))
			return NULL;
		head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	}
	if (il__unlikely(head - ring->known_tail >= ring->size) && ring_room(ring, head) == 0) {
		trace_drop(ring);
		return NULL;
	}
	r = &ring->records[head & (ring->size - 1)];
	r->time = time ? time : il__os_now();
	r->kind = (unsigned short)kind;
	return r;
}

il_time il__trace_now(void)
{
	own_ring(); /* what it introduces comes before */
	return il__os_now();
}

void il__trace_turn(bool begins, const char *backend)
{
	struct il__trace_record *r = trace_take(IL__TRACE_TURN, 0);

	if (!r)
		return;
	r->detail = begins;
	r->turn.loop = backend;
	commit(own);
}

void il__trace_change(const void *from, enum il__trace_left left, const char *waits_for,
		      const void *to)
{
	struct il__trace_record *r = trace_take(IL__TRACE_CHANGE, 0);

	if (!r)
		return;
	r->detail = (unsigned short)left;
	r->change.from = from;
	r->change.to = to;
	r->change.waits_for = waits_for;
	commit(own);
}

void il__trace_task(const void *task, il_fn *fn, const void *arg, const char *name, unsigned *known)
{
	struct il__trace_record *r;

	if (own && *known == own->epoch)
		return;
	r = trace_take(IL__TRACE_TASK, 0);
	if (!r)
		return;
	r->task.task = task;
	r->task.fn = il__report_function_of(fn, arg);
	memcpy(r->task.name, name, sizeof r->task.name);
	commit(own);
	*known = own->epoch;
}

void il__trace_span(il_time begin, const char *what, il_fn *fn, int where)
{
	struct il__trace_record *r = trace_take(IL__TRACE_SPAN, begin);

	if (!r)
		return;
	r->span.end = il__os_now();
	r->span.what = what;
	r->span.fn = fn;
	r->span.where = where;
	commit(own);
}

void il__trace_point(uint32_t id, enum il__trace_end end, int where)
{
	struct il__trace_record *r = trace_take(IL__TRACE_POINT, 0);

	if (!r)
		return;
	r->detail = (unsigned short)end;
	r->id = id;
	r->point.where = where;
	commit(own);
}

uint32_t il__trace_send(void)
{
	uint32_t id;

	do
		id = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
	while (!id);
	il__trace_point(id, IL__TRACE_SENT, IL__TRACE_HERE);
	return id;
}

/* ---- the writer ---- */

static void ring_drain(struct il__trace_ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	for (; tail != head; tail++) {
		il__trace_writer_take(trace.writer, ring, &ring->records[tail & (ring->size - 1)]);
		if (tail % 64 == 0)
			atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	}
	atomic_store_explicit(&ring->tail, tail, memory_order_release);
}

static void ring_finish(struct il__trace_ring *ring)
{
	size_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);

	il__trace_writer_leave(trace.writer, ring, dropped);
	pthread_mutex_lock(&trace.lock);
	ring_unlink(&trace.rings, ring);
	pthread_mutex_unlock(&trace.lock);
	il__free_lines(ring);
}

static void trace_drain(void)
{
	struct il__trace_ring *ring, *next;

	pthread_mutex_lock(&trace.lock);
	ring = trace.rings; /* others are put before it, and only we take one out */
	pthread_mutex_unlock(&trace.lock);
	for (; ring; ring = next) {
		bool gone = atomic_load_explicit(&ring->gone, memory_order_acquire);
		next = ring->next;
		ring_drain(ring);
		if (gone)
			ring_finish(ring);
	}
	il__trace_writer_flush(trace.writer);
}

static void *writer_main(void *arg)
{
	int rc;

	(void)arg;
	il__os_thread_name("il-trace", NULL);
	do {
		rc = il__parker_wait(&trace.parker, il__os_now() + IL_MSEC(1), NULL);
		trace_drain();
	} while (rc < 0);
	return NULL;
}

/* ---- begin and end ---- */

/* Under the lock. */
static void trace_turn(bool on)
{
	atomic_store(&il__tracing, on);
	if (trace_on_turn)
		trace_on_turn(on);
}

static size_t whole_ring(size_t events)
{
	size_t size = 64;

	while (size < events)
		size *= 2;
	return size;
}

/* Under the lock. */
static int trace_start(int fd, size_t events)
{
	int rc;

	if (trace.running)
		return il__refuse(-EALREADY,
				  "il_trace_start: a trace is on; il_trace_stop ends it");
	trace.writer = il__trace_writer_open(fd, il__os_now());
	if (!trace.writer)
		return il__refuse(-ENOMEM, "il_trace_start: out of memory");
	trace.events = whole_ring(events);
	trace.lost = 0;
	trace.ending = false;
	il__parker_init(&trace.parker);
	rc = il__os_thread_start(&trace.thread, 0, writer_main, NULL);
	if (rc < 0) {
		il__trace_writer_abandon(trace.writer);
		trace.writer = NULL;
		return il__has_refused(rc) ? rc : il__refuse(rc, "il_trace_start: no thread");
	}
	atomic_fetch_add(&session, 1);
	trace.running = true;
	return 0;
}

int il__trace_begin(int fd, size_t events)
{
	int rc;

	pthread_mutex_lock(&trace.lock);
	rc = trace_start(fd, events);
	if (rc == 0)
		trace_turn(true);
	pthread_mutex_unlock(&trace.lock);
	return rc;
}

/* Under the lock: the writer has ended. Whose thread lives stays, for that may be in the middle of a record. */
static void trace_release(void)
{
	struct il__trace_ring *ring;

	while ((ring = trace.rings)) {
		trace.rings = ring->next;
		if (atomic_load_explicit(&ring->gone, memory_order_acquire)) {
			il__free_lines(ring);
			continue;
		}
		ring->next = trace.old;
		trace.old = ring;
	}
	trace.running = false;
}

int il__trace_end(void)
{
	struct il__trace_writer *writer;
	size_t lost;
	bool mine;
	int rc;

	pthread_mutex_lock(&trace.lock);
	mine = trace.running && !trace.ending; /* from then on no ring comes in */
	trace.ending |= mine;
	if (mine)
		trace_turn(false);
	pthread_mutex_unlock(&trace.lock);
	if (!mine)
		return il__refuse(-EALREADY, "il_trace_stop: no trace is on");
	il__parker_wake(&trace.parker);
	pthread_join(trace.thread, NULL);
	/* What writes, and may log, is not under the lock, for which a fork waits: the log's function may fork. */
	writer = trace.writer;
	for (struct il__trace_ring *ring = trace.rings; ring; ring = ring->next)
		il__trace_writer_leave(writer, ring,
				       atomic_load_explicit(&ring->dropped, memory_order_relaxed));
	pthread_mutex_lock(&trace.lock);
	trace_release();
	lost = trace.lost;
	trace.writer = NULL;
	pthread_mutex_unlock(&trace.lock);
	rc = il__trace_writer_close(writer, lost);
	return rc < 0 ? il__refuse(rc, "il_trace_stop: the trace could not be written: %s",
				   il__system_words(rc))
		      : 0;
}

/* ---- a fork ---- */

static void free_rings(struct il__trace_ring **list)
{
	struct il__trace_ring *ring;

	while ((ring = *list)) {
		*list = ring->next;
		il__free_lines(ring);
	}
}

/* The writer stayed with the parent, and so did the other threads whose rings these are. */
static void forget_trace(void)
{
	trace_turn(false);
	own = NULL;
	free_rings(&trace.rings);
	free_rings(&trace.old);
	if (trace.running)
		il__trace_writer_abandon(trace.writer);
	trace.writer = NULL;
	trace.running = trace.ending = false;
}

IL__AT_FORK(&trace.lock, forget_trace);
