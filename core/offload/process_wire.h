/*
 * process_wire.h: what a process pool and its workers say to each other: frames over any byte stream. A
 * frame is a header, `path` bytes of a module's path and `size` bytes of an argument. Integers are the
 * machine's own, both ends are the same program; `version` refuses strangers.
 *
 *   INIT, CALL  to the worker: a function's name, then its argument
 *   REPLY       from it: rc; after a CALL the argument as the function left it
 *   UNKNOWN     from it, instead of REPLY: it has no such function
 *
 * A function's name is the offset from its module's base, the module's path ("" is the program), and the
 * module's build, so that a file that was replaced meanwhile is not called at the wrong place.
 */
#ifndef IL_CORE_PROCESS_WIRE_H
#define IL_CORE_PROCESS_WIRE_H

#include "../base/base.h"

enum { IL__WIRE_VERSION = 1, IL__WIRE_PATH_MAX = 4096 };
enum il__wire_type { IL__WIRE_INIT = 1, IL__WIRE_CALL, IL__WIRE_REPLY, IL__WIRE_UNKNOWN };

struct il__wire_header {
	uint32_t version;
	uint32_t type;
	uint64_t id;
	uint64_t offset, build;
	uint64_t path; /* bytes, without a NUL */
	uint64_t size;
	int64_t rc;
};

struct il__wire_function {
	uint64_t offset, build;
	char path[IL__WIRE_PATH_MAX];
};

/* Names fn for another process of the same program; `name` may be NULL, to ask whether it can be done.
 * -ENOENT: no module that a file backs has it. */
int il__wire_name(il_fn *fn, struct il__wire_function *name);
/* And back. -ENOENT: no such module, another build of it, or nothing executable at that offset. */
int il__wire_find(const struct il__wire_function *name, il_fn **fn);

/* The environment variable that makes a process a worker: "DESCRIPTOR:KIND:NAME". KIND is 'c', to be
 * taken over before main, or 'm', to wait for il_process_worker_main_if_needed. */
#define IL__WORKER_VARIABLE "INTERLOOP_PROCESS_WORKER"

/* Whether this program calls il_process_worker_main_if_needed. */
bool il__process_main_serves(void);
/* Whether the environment is somebody else's than the program's owner (set-user-ID). */
bool il__process_is_secure(void);

#endif
