/**
 * @file task.h
 * @brief The calling task: sleeping, yielding, its name, its task-local values.
 *
 * A task is an ordinary C function on a stack of its own. It runs in its loop's thread and never
 * moves to another. A call that waits parks the task and lets the loop go on; every such call is a
 * cancellation point: inside a cancelled scope it returns -ECANCELED, again and again.
 */
#ifndef INTERLOOP_TASK_H
#define INTERLOOP_TASK_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup task Tasks
 * @{
 */

/** Options of one task, for il_group_start_soon_with() and il_loop_spawn_with(); zero means the
 * default. */
typedef struct il_task_options {
	/** As il_task_set_name(): copied, up to 31 bytes of it. Default: none. */
	const char *name;
	/** Bytes of its stack, rounded up to a power of two; the same range as that of
	 * il_loop_options.stack_size. Default: il_loop_options.stack_size. */
	size_t stack_size;
	void *reserved[8]; /**< Zero. */
} il_task_options;

/**
 * @brief Parks the calling task for at least delay; 0 yields once. A cancellation point.
 *
 * It never returns early, and is normally late by microseconds where the system has timerfd.
 * @return 0; -ECANCELED; -EINVAL: negative delay; -EPERM: not in a task; -ESHUTDOWN: this is a
 *         forked child of the loop's process; -ENOMEM.
 */
IL_API int il_sleep(il_time delay);

/** @brief As il_sleep(), until a point on il_now()'s clock; one in the past yields once. */
IL_API int il_sleep_until(il_time deadline);

/**
 * @brief By how much the calling task's sleeps and the time limits of its calls may be late from
 * now on, in place of il_loop_options.timer_slack.
 *
 * With a slack they end at its multiples on il_now()'s clock, never early, so those of many tasks
 * end together: 100,000 sleeps a second with a slack of 1 ms take a few wake-ups instead of
 * thousands. Deadlines of scopes stay precise. Sleeps that end at one such moment end in the order in
 * which they began.
 * @param slack  0: each on its own time.
 * @return 0; -EINVAL: it is negative; -EPERM: not in a task; -ESHUTDOWN: this is a forked child of
 *         the loop's process.
 */
IL_API int il_task_set_timer_slack(il_time slack);

/** @brief Parks the calling task until it is cancelled. Returns -ECANCELED (-EPERM: not in a task;
 * -ESHUTDOWN: this is a forked child of the loop's process). */
IL_API int il_sleep_forever(void);

/**
 * @brief Lets every other ready task run, then reports cancellation (AnyIO's checkpoint).
 * @return 0; -ECANCELED; -EPERM: not in a task; -ESHUTDOWN: this is a forked child of the loop's
 *         process.
 */
IL_API int il_yield(void);

/**
 * @brief Reports cancellation without yielding (AnyIO's checkpoint_if_cancelled); notices a
 * deadline that passed while the task was busy.
 * @return 0; -ECANCELED; -EPERM: not in a task; -ESHUTDOWN: this is a forked child of the loop's
 *         process.
 */
IL_API int il_check_cancelled(void);

/** @brief Yields without reporting cancellation (AnyIO's cancel_shielded_checkpoint). 0, -EPERM or
 * -ESHUTDOWN as il_yield(). */
IL_API int il_yield_shielded(void);

/** @brief Returns the calling task's name, "" if it has none; NULL outside a task. */
IL_API const char *il_task_name(void);

/**
 * @brief Names the calling task; the text is copied, up to 31 bytes of it.
 * @return 0; -EINVAL: NULL; -EPERM: not in a task; -ESHUTDOWN: this is a forked child of the loop's
 *         process.
 */
IL_API int il_task_set_name(const char *name);

/**
 * @brief Lets the waiting il_group_start() or il_portal_start_task() return; the task goes on.
 * @param value  what the starter receives.
 * @return 0; -EALREADY: called before; -EPERM: not in a task, or nobody started it that way;
 *         -ESHUTDOWN: this is a forked child of the loop's process.
 */
IL_API int il_task_started(int value);

/** A key of task-local values: a static object, set to IL_LOCAL_INIT. Its address identifies it. */
typedef struct il_local {
	const char *name; /**< For people; may be NULL. */
} il_local;
/** A key without a name. */
/* clang-format off */
#ifdef __cplusplus
#define IL_LOCAL_INIT {}
#else
#define IL_LOCAL_INIT {0}
#endif
/* clang-format on */

/**
 * @brief Sets the calling task's (or thread's) value of the key. Child tasks, worker threads and
 * portal calls inherit the values set when they are started; what they set themselves nobody else
 * sees (as with Python's contextvars). Values are not owned.
 * @return 0; -EINVAL: NULL key; -ENOMEM.
 */
IL_API int il_local_set(il_local *key, void *value);

/** @brief Returns the calling task's (or thread's) value of the key, NULL if it has none. */
IL_API void *il_local_get(il_local *key);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
