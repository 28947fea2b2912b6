/*
 * gdb.c: where the loops of the process and their tasks are, for interloop-gdb.py: the library is mostly installed without
 * debug information, so this says at which offsets the script finds what it shows. Read only.
 */
#include "gdb.h"
#include "../base/list.h"
#include "../base/report.h"
#include "context.h"
#include "loop.h"
#include "loops.h"
#include "scope.h"
#include "task.h"
#include "wait.h"

#include <interloop/backend.h>

/* How a context that is away is saved; 0: the script cannot tell. */
#if defined(IL_SWITCHES_X86_64)
#define SWITCH 1
#elif defined(IL_SWITCHES_AARCH64)
#define SWITCH 2
#else
#define SWITCH 0
#endif

/* A change of what stands here, or of what it means, is a new version: the script refuses one that it does not know.
 * Changes of the offsets are none. */
struct il_gdb_layout {
	uint32_t version, size;
	const struct il__list *loops;
	const bool *sanitized; /* contexts lie on their stacks, behind another pointer */
	const void *names;     /* of the library's own functions, or what these run */
	uint32_t context_switch, list_next;
	uint32_t loop_every, loop_backend, backend_name, loop_current, loop_thread, loop_scope;
	uint32_t scope_children, scope_sibling, scope_tasks;
	uint32_t task_scope_link, task_state, task_context, task_base;
	uint32_t base_wait, wait_call, base_name, base_fn, base_arg;
	uint32_t name_next, name_fn, name_text, name_fn_at;
};

const struct il_gdb_layout il_gdb_layout = {
    .version = 2,
    .size = sizeof il_gdb_layout,
    .loops = &il__loops.list,
    .sanitized = &il__sanitized,
    .names = &il__report_names,
    .context_switch = SWITCH,
    .list_next = offsetof(struct il__list, next),
    .loop_every = offsetof(struct il_loop, entry.link),
    .loop_backend = offsetof(struct il_loop, backend),
    .backend_name = offsetof(struct il_backend, name),
    .loop_current = offsetof(struct il_loop, current),
    .loop_thread = offsetof(struct il_loop, thread),
    .loop_scope = offsetof(struct il_loop, scope),
    .scope_children = offsetof(struct il__cancel_scope, children),
    .scope_sibling = offsetof(struct il__cancel_scope, sibling),
    .scope_tasks = offsetof(struct il__cancel_scope, tasks),
    .task_scope_link = offsetof(struct il_task, scope_link),
    .task_state = offsetof(struct il_task, waiter.state),
    .task_context = offsetof(struct il_task, context),
    .task_base = offsetof(struct il_task, base),
    .base_wait = offsetof(struct il__task_base, wait),
    .wait_call = offsetof(struct il__wait, call),
    .base_name = offsetof(struct il__task_base, name),
    .base_fn = offsetof(struct il__task_base, fn),
    .base_arg = offsetof(struct il__task_base, arg),
    .name_next = offsetof(struct il__report_name, next),
    .name_fn = offsetof(struct il__report_name, fn),
    .name_text = offsetof(struct il__report_name, name),
    .name_fn_at = offsetof(struct il__report_name, fn_at),
};
