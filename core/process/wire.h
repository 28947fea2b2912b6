/*
 * wire.h: what a process pool and its workers say to each other: frames over any byte stream, one
 * after the other, each CALL replied to before the next. docs/worker_protocol.md describes them.
 *
 * A function's name is the offset from its module's base, the module's path ("" is the program), and the
 * module's build, so that a file that was replaced meanwhile is not called at the wrong place; and the name
 * it was registered by, for where that does not lead to it.
 */
#ifndef IL_CORE_PROCESS_WIRE_H
#define IL_CORE_PROCESS_WIRE_H

#include "../base/base.h"

#include <interloop/function.h>

/* [frame] */
enum { IL__WIRE_VERSION = 2, IL__WIRE_PATH_MAX = 4096, IL__WIRE_WHY_MAX = 256 };
enum il__wire_type {
	IL__WIRE_INIT = 1, /* to the worker: run the initializer */
	IL__WIRE_CALL,     /* to it: run a function */
	IL__WIRE_REPLY,    /* from it: the function's result */
	IL__WIRE_REFUSED,  /* from it, instead: rc, and a sentence that says why */
	IL__WIRE_READY     /* from it, once and first: it takes frames */
};

struct il__wire_header {
	uint32_t version;
	uint32_t type, form; /* il__wire_type, il_call_form */
	uint32_t path, name; /* bytes that follow the header, without a NUL; */
	uint32_t words;      /* to the worker: the most it may add; from it: as many come first */
	uint64_t size;       /* and bytes that follow those */
	uint64_t id;         /* of a call; its reply has the same */
	uint64_t offset, build;
	uint64_t limit;  /* of the size of what comes back */
	uint64_t memory; /* IL_CALL_SHARED: bytes of it */
	int64_t rc;      /* to the worker: 1, wait for the next call by poll() */
};
/* [frame] */

/* A number of bytes that came in a frame: whether this machine can have so many. */
static inline bool il__wire_fits(uint64_t size)
{
	return (size_t)size == size;
}

struct il__wire_function {
	uint64_t offset, build; /* 0: no module */
	char path[IL__WIRE_PATH_MAX];
	char name[IL_FUNCTION_NAME_MAX + 1];
};

/* Names fn for another process of the same program; `name` may be NULL, to ask whether it can be done.
 * -ENOENT: no module that a file backs has it, nor is it registered. */
int il__wire_name(il_fn *fn, struct il__wire_function *name);
/* And back. -ENOENT: no such module, another build of it, or nothing executable at that offset; and no
 * function of that name. */
int il__wire_find(const struct il__wire_function *name, il_fn **fn);

/* The argument that makes a process a worker, which no other process inherits by accident, nor loses:
 * "--interloop-worker=STREAM,LIFE:KIND:DIRECTORY:UMASK:NAME". LIFE is a socket on which nothing is ever sent, whose end
 * is the end of the pool's process; it may be -1: nothing tells. KIND is 'c', to be taken over before main, or 'm', to
 * wait for il_process_worker_main_if_needed. DIRECTORY is a descriptor. It and UMASK, octal, may be -1: as
 * they are. */
#define IL__WORKER_ARGUMENT "--interloop-worker="

/* Seconds that a worker has to end by itself. */
enum { IL__WORKER_GRACE = 2 };

/* When the library is loaded, first of all: how this program was started. */
void il__program_note(int argc);
/* In a worker, before main: what il__preload_take has put into its environment is not handed on. */
void il__preload_undo(void);
/* Whether this program calls il_process_worker_main_if_needed. */
bool il__process_main_serves(void);
/* Whether the environment is somebody else's than the program's owner (set-user-ID). */
bool il__process_is_secure(void);

#endif
