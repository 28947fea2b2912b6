/*
 * envelope.h: what a call and its answer look like on the way, whatever the engine: little-endian, versioned. Any thread.
 */
#ifndef IL_CORE_REMOTE_ENVELOPE_H
#define IL_CORE_REMOTE_ENVELOPE_H

#include <interloop/executor.h>

#include <stdint.h>

enum { IL__REMOTE_ENVELOPE = 32, IL__REMOTE_VERSION = 1, IL__REMOTE_BUILD_MAX = 100 };

/* So long a call waits in a worker program without a sign. */
#define IL__REMOTE_SHORT_WAIT IL_MSEC(100)

struct il__remote_call {
	il_call_form form;
	uint64_t id;
	uint32_t limit; /* bytes of the result, at most */
	uint16_t attempt;
	int64_t left;      /* ms until nobody wants it any more; -1: forever */
	const char *build; /* of the caller's function; not ended by a NUL */
	size_t build_size;
	const char *in;
	size_t in_size;
};

enum il__remote_kind {
	IL__REMOTE_RESULT, /* of the function */
	IL__REMOTE_REFUSED /* it did not run, or did not end */
};

struct il__remote_answer {
	enum il__remote_kind kind;
	int32_t rc;
	uint64_t id;
	const char *detail; /* not ended by a NUL */
	size_t detail_size;
	const char *build; /* of the worker's function; likewise */
	size_t build_size;
	const char *out;
	size_t out_size;
};

/* The file that the function lies in, and its build ID. NULL: the program. */
void il__remote_name_build(char name[IL__REMOTE_BUILD_MAX + 1], il_fn *fn);

/* What stands before the build's name and the argument; before the detail, the build's name and what comes out. */
void il__remote_write_call(char to[IL__REMOTE_ENVELOPE], const struct il__remote_call *call);
/* What differs from one attempt to the next. */
void il__remote_address_call(char envelope[IL__REMOTE_ENVELOPE], uint64_t id, uint16_t attempt,
			     int64_t left);
/* 0; -EBADMSG: it is none; -EPROTO: of another version. */
int il__remote_read_call(struct il__remote_call *call, const char *data, size_t size);
void il__remote_write_answer(char to[IL__REMOTE_ENVELOPE], const struct il__remote_answer *answer);
/* Likewise. */
int il__remote_read_answer(struct il__remote_answer *answer, const char *data, size_t size);

#endif
