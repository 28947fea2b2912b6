/*
 * trace_json.h: events in Chrome's trace format. One thread at a time.
 */
#ifndef IL_CORE_BASE_TRACE_JSON_H
#define IL_CORE_BASE_TRACE_JSON_H

#include "base.h"

/* A file that is being written. Once a write has failed, nothing more is written. */
struct il__trace_json {
	int fd, rc; /* rc: why a write failed */
	il_time start;
	size_t used, events;
	char buffer[1 << 16];
};

/* A track: a thread or a task of a process, or a worker process, which is its own. */
struct il__trace_track {
	int process;
	uint64_t number;
};

/* One end of an arrow. */
struct il__trace_spot {
	struct il__trace_track track;
	il_time time;
};

/* Names are handed over as they are written in a file. */
enum { IL__TRACE_NAME = 192 };
void il__trace_json_escape(char *to, size_t size, const char *name);
void il__trace_json_begin(struct il__trace_json *j, int fd, il_time start);
void il__trace_json_name(struct il__trace_json *j, const char *what, struct il__trace_track track,
			 const char *name);
void il__trace_json_order(struct il__trace_json *j, struct il__trace_track track, int order);
void il__trace_json_span(struct il__trace_json *j, struct il__trace_track track, const char *kind,
			 const char *name, il_time begin, il_time end);
void il__trace_json_arrow(struct il__trace_json *j, uint64_t id, const struct il__trace_spot *from,
			  const struct il__trace_spot *to);
void il__trace_json_gap(struct il__trace_json *j, struct il__trace_track track, il_time time,
			uint64_t dropped);
void il__trace_json_end(struct il__trace_json *j, int process, uint64_t dropped);
void il__trace_json_flush(struct il__trace_json *j);

#endif
