/**
 * @file group.h
 * @brief Task groups: no child outlives the block that started it.
 *
 * A group lives on the stack of the task that opens it. The first child that fails cancels the
 * others; close joins them all. The semantics are those of AnyIO's TaskGroup and Trio's Nursery.
 *
 *     il_group g;
 *     if (il_group_open(&g) < 0)
 *             return -EPERM;
 *     return il_group_close(&g, il_group_start_soon(&g, NULL, child, &arg));
 *
 * In a forked child of the loop's process each function that returns an int returns -ESHUTDOWN.
 */
#ifndef INTERLOOP_GROUP_H
#define INTERLOOP_GROUP_H

#include <interloop/base.h>
#include <interloop/scope.h>
#include <interloop/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup group Task groups
 * @{
 */

/** A task group. Belongs to the thread of its loop; must not move while it is open. */
typedef struct il_group {
	int64_t reserved[36]; /**< Private. */
} il_group;
/** A group that is not open; il_group_open() does not need it. */
/* clang-format off */
#ifdef __cplusplus
#define IL_GROUP_INIT {}
#else
#define IL_GROUP_INIT {{0}}
#endif
/* clang-format on */

/**
 * @brief Opens the group and enters its scope in the calling task. Never waits. The memory may hold
 * anything, but an open group must not be opened again.
 * @return 0; -EINVAL: NULL; -EPERM: not in a task; -EALREADY: it is open.
 */
IL_MUST_CHECK IL_API int il_group_open(il_group *group);

/**
 * @brief Starts fn as a child; it runs when the caller next waits. Any task of the loop, or a plain
 * call in its thread.
 *
 * A child without a future always runs, in a cancelled group up to its first cancellation point. A
 * child with a future that is cancelled before it began never begins.
 * @param f  receives a reference to the child's future; NULL: only the group learns how it ended.
 * @return 0; -ESHUTDOWN: the group is closed, arg is untouched; -EPERM: another thread; -EINVAL:
 *         NULL; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_group_start_soon(il_group *group, il_future **f, il_fn *fn, void *arg);

/**
 * @brief As il_group_start_soon(), with a name and a stack of the child's own.
 * @param options  NULL: the defaults. Copied.
 * @return as il_group_start_soon(); -EINVAL: also if stack_size is out of range.
 */
IL_MUST_CHECK IL_API int il_group_start_soon_with(il_group *group, il_future **f, il_fn *fn,
						  void *arg, const il_task_options *options);

/**
 * @brief Starts fn as a child and waits until it has called il_task_started(). A cancellation
 * point.
 *
 * Cancelled while it waits it cancels the child, waits for its end and returns -ECANCELED. arg
 * belongs to the child until it ends.
 * @param value  receives the value that the child gave; may be NULL.
 * @return 0; the child's error if it failed before il_task_started(), also in its clean-up (the
 *         group is untouched); -EPROTO: it ended without calling it; -ECANCELED; -ESHUTDOWN;
 *         -EPERM; -EINVAL: NULL; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_group_start(il_group *group, int *value, il_fn *fn, void *arg);

/** @brief The group's scope: cancel it, give it a deadline or a shield. Never enter or exit it. */
IL_API il_scope *il_group_scope(il_group *group);

/**
 * @brief Joins every child and leaves the group's scope. Always waits for
 * the children, cancelled or not; with none it yields once.
 * @param body  the result of the block; negative cancels the children.
 * @return body if negative and not the group's own cancellation; else the first failure of a child;
 *         else -ECANCELED if an outer scope is cancelled and no shield of the group's own hides it;
 *         else body, or 0 for a body of -ECANCELED that was the group's own cancellation.
 *         -EALREADY: wrong order or task, nothing changed.
 */
IL_API int il_group_close(il_group *group, int body);

/**
 * @brief Returns how many children failed (cancellation is no failure). The first eight codes are
 * kept, in order of failure, also after close.
 * @param codes  receives up to n of them; NULL: none.
 */
IL_API size_t il_group_errors(const il_group *group, int *codes, size_t n);

/**
 * @brief Runs fn for each of count items of size bytes, one task per item, and waits for all.
 * @param results  receives each result in item order; may be NULL. An item whose task was cancelled
 *                 has -ECANCELED.
 * @return 0; the first failure, which cancelled the rest; -ECANCELED; -EINVAL; -EPERM; -ENOMEM.
 */
IL_API int il_gather(il_fn *fn, void *items, size_t count, size_t size, int *results);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
