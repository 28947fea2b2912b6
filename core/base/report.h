/*
 * report.h: text that is written to a descriptor a line at a time, without memory of the heap, and without being held
 * up by who does not read it. Any thread.
 */
#ifndef IL_CORE_BASE_REPORT_H
#define IL_CORE_BASE_REPORT_H

#include "base.h"

/* On the writer's stack. */
struct il__report {
	int fd;
	bool own; /* fd is a description that the report has opened */
	int rc;   /* of the first write that failed: from then on nothing is written; 0 */
	size_t used;
	il_time now;     /* by the clock of what is reported: for "how long already" */
	char text[2048]; /* not written yet */
};

void il__report_begin(struct il__report *r, int fd);
/* The last of it is written. Gives rc. */
int il__report_end(struct il__report *r);
/* Begins a line, so many steps to the right; with its end, which is the only line break in it. */
void il__report_indent(struct il__report *r, size_t steps);
void il__report_line_end(struct il__report *r);
/* A piece of a line, which is escaped like all text that leaves the library. */
void il__report(struct il__report *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "3.200 s". */
void il__report_duration(struct il__report *r, il_time duration);
/* From r->now until then; none if that is past, however long. */
void il__report_until(struct il__report *r, il_time then);
/* A function, by the symbol or the name that it is known by, or its address; the same as a text. */
void il__report_function_text(il_fn *fn, const void *arg, char *text, size_t size);
void il__report_function(struct il__report *r, il_fn *fn);

/* The function that is meant: another one, where this only runs it; arg is alive, or NULL. */
il_fn *il__report_function_of(il_fn *fn, const void *arg);

/* What a function of the library's own, which has no symbol, is called in reports. Static storage. */
struct il__report_name {
	il_fn *fn;
	const char *name;
	void (*tell)(struct il__report *r,
		     const void *arg); /* adds what it works on; NULL: nothing */
	size_t fn_at; /* where in arg the function is that it runs; 0: it has its own name */
	struct il__report_name *next;
	atomic_bool known;
};
/* All that are known; the script for gdb reads them, too. */
extern _Atomic(struct il__report_name *) il__report_names;
/* From now on; any thread, any number of times. */
void il__report_know(struct il__report_name *names, size_t count);
/* A function and, of one that is known so, what it works on. */
void il__report_call(struct il__report *r, il_fn *fn, const void *arg);

#endif
