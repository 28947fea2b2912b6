/*
 * trace_writer.h: from records to a file. The writing thread, but for open, close and abandon.
 */
#ifndef IL_CORE_BASE_TRACE_WRITER_H
#define IL_CORE_BASE_TRACE_WRITER_H

#include "trace.h"

struct il__trace_writer;

struct il__trace_writer *il__trace_writer_open(int fd, il_time start); /* NULL: no memory */
void il__trace_writer_take(struct il__trace_writer *w, struct il__trace_ring *ring,
			   const struct il__trace_record *r);
/* Its thread, or the trace, has ended, and `dropped` records after the last one are lost. */
void il__trace_writer_leave(struct il__trace_writer *w, struct il__trace_ring *ring,
			    size_t dropped);
void il__trace_writer_flush(struct il__trace_writer *w);
/* Ends the file, which says how many records were dropped: those that it has heard of, and `lost` more. 0, or why
 * something was not written. */
int il__trace_writer_close(struct il__trace_writer *w, size_t lost);
void il__trace_writer_abandon(struct il__trace_writer *w); /* in a forked child: writes nothing */

#endif
