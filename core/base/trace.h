/*
 * trace.h: what a trace is made of: records that each thread keeps in a ring of its own, for the thread that
 * writes the file. Any thread. Everything here is called while il__trace_on(), or for what has got a number then: what
 * comes too late for the trace is dropped.
 */
#ifndef IL_CORE_BASE_TRACE_H
#define IL_CORE_BASE_TRACE_H

#include "base.h"

/* Set while a trace is on. A thread may see it late: what it still records then is dropped. */
extern IL__HIDDEN atomic_bool il__tracing;

static inline bool il__trace_on(void)
{
	return il__unlikely(atomic_load_explicit(&il__tracing, memory_order_relaxed));
}

/* An arrow leads from where a call is sent to where it runs, a second one from its end to who gets the
 * result. These are their four ends. */
enum il__trace_end { IL__TRACE_SENT, IL__TRACE_RUN, IL__TRACE_DONE, IL__TRACE_ANSWERED };

enum il__trace_kind {
	IL__TRACE_TURN,
	IL__TRACE_CHANGE,
	IL__TRACE_TASK,
	IL__TRACE_SPAN,
	IL__TRACE_POINT,
	IL__TRACE_GAP
};

/* Why a task does not run any more. */
enum il__trace_left { IL__TRACE_READY, IL__TRACE_PARKED, IL__TRACE_ENDED };

/* Where something happened: the number of a worker process, or this: the task that the thread runs, or the
 * thread, where it runs none. */
enum { IL__TRACE_HERE = 0 };

struct il__trace_record {
	il_time time;
	unsigned short kind, detail; /* TURN: it begins; enum il__trace_left, il__trace_end */
	uint32_t id;                 /* POINT: of the call */
	union {
		struct {
			const char *loop; /* its backend */
		} turn;
		struct { /* the thread goes from one task to another; NULL: to what is no task */
			const void *from, *to;
			const char *waits_for;
		} change;
		struct { /* a task that was not met before, or has another name */
			const void *task;
			il_fn *fn;
			char name[32];
		} task;
		struct { /* something took until `end` */
			il_time end;
			const char *what;
			il_fn *fn; /* or NULL */
			int where;
		} span;
		struct { /* one end of an arrow */
			int where;
		} point;
		struct {
			uint64_t dropped;
		} gap;
	};
};

/* Whatever a thread records first, and first behind a gap, comes behind what this records: what it does now. The
 * runtime sets it. */
extern IL__HIDDEN void (*il__trace_introduce)(void);
/* What is called under the lock where a trace begins or ends. By a constructor. */
void il__trace_on_turn(void (*fn)(bool on));

/* A turn of the thread's loop begins or ends; `backend` is a constant. */
void il__trace_turn(bool begins, const char *backend);
/* Says that the thread goes from one task to another; `waits_for` is a constant. */
void il__trace_change(const void *from, enum il__trace_left left, const char *waits_for,
		      const void *to);
/* Before that: introduces `to`, unless *known says that this was done. It runs fn with arg, which is NULL where that is gone. */
void il__trace_task(const void *task, il_fn *fn, const void *arg, const char *name,
		    unsigned *known);
/* Where a span begins. */
il_time il__trace_now(void);
/* From `begin` until now; `what` is a constant. */
void il__trace_span(il_time begin, const char *what, il_fn *fn, int where);
void il__trace_point(uint32_t id, enum il__trace_end end, int where);
/* Numbers a call, and says that it is sent here. Never 0, which stands for a call that is not traced. */
uint32_t il__trace_send(void);

/* ---- for who starts and stops it ---- */

/* Opens the file of a trace, and starts the thread that writes it. 0, -EALREADY, -ENOMEM; the detail is set. */
int il__trace_begin(int fd, size_t events);
/* Waits until everything is written. 0, -EALREADY: there is no trace; or why it could not be written. */
int il__trace_end(void);

/* ---- for who writes it ---- */

struct il__trace_ring {
	struct il__trace_ring *next; /* under the lock */
	atomic_bool gone;            /* its thread has ended */
	unsigned session;
	size_t size;     /* a power of two */
	char thread[16]; /* its name */
	int number;      /* as the system knows it */

	/* its thread's */
	_Alignas(64) atomic_size_t head;
	size_t known_tail;
	atomic_size_t dropped; /* since the last record */
	unsigned epoch;        /* tasks that were introduced in another one are introduced again */

	/* the writer's */
	_Alignas(64) atomic_size_t tail;
	const void *runs;               /* the task that the thread runs */
	il_time runs_since, turn_since; /* 0: not known */
	il_time last;                   /* of its records */
	const char *loop;
	bool named;

	struct il__trace_record records[];
};

#endif
