/**
 * @file scope.h
 * @brief Cancel scopes: code that is cancelled together, by hand or by a deadline.
 *
 * A scope lives on the stack of the task that enters it. Scopes nest; tasks of a group live in the
 * group's scope. Cancellation is level-triggered: inside a cancelled scope every call that could
 * wait returns -ECANCELED, again and again, unless a shield lies between. The semantics are those
 * of Trio's and AnyIO's CancelScope.
 *
 *     il_scope s = IL_SCOPE_INIT;
 *     int rc = il_scope_enter(&s, il_deadline(IL_SEC(2)), 0);
 *     return rc < 0 ? rc : il_scope_exit(&s, work());
 */
#ifndef INTERLOOP_SCOPE_H
#define INTERLOOP_SCOPE_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup scope Cancel scopes
 * @{
 */

/** A cancel scope. Belongs to the thread of its loop; must not move or go while it is entered. */
typedef struct il_scope {
	int64_t reserved[20]; /**< Private. */
} il_scope;
/** A scope that was not entered yet. */
/* clang-format off */
#ifdef __cplusplus
#define IL_SCOPE_INIT {}
#else
#define IL_SCOPE_INIT {{0}}
#endif
/* clang-format on */

/** Flag of il_scope_enter(): cancellation of outer scopes has no effect inside until the scope is
 * left. */
#define IL_SHIELD 1u

/**
 * Flag of il_scope_enter(): where il_scope_exit() would turn -ECANCELED into 0 and the scope's own
 * deadline was the cause, it returns -ETIMEDOUT. So a block with a time limit needs no function of
 * its own, and a timeout is never mistaken for success.
 */
#define IL_FAIL_AT_DEADLINE 2u

/**
 * @brief Enters the scope in the calling task. Never waits.
 *
 * If the scope was cancelled before, or its deadline has passed, the first cancellation point
 * inside returns -ECANCELED.
 * @param deadline  on il_now()'s clock; when it passes the scope is cancelled. IL_FOREVER: none.
 * @param flags     0, IL_SHIELD, IL_FAIL_AT_DEADLINE, or both.
 * @return 0; -EALREADY: it was entered before (a scope serves once); -EINVAL: NULL or an unknown
 *         flag; -EPERM: not in a task; -ESHUTDOWN: this is a forked child of the loop's process;
 *         -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_scope_enter(il_scope *scope, il_time deadline, unsigned flags);

/**
 * @brief Leaves the scope. Typical use: `return il_scope_exit(&scope, work());`
 * @param rc  the body's result.
 * @return rc. Exception: 0 if rc is -ECANCELED, this scope was cancelled, and no enclosing scope up
 *         to the nearest shield is cancelled; -ETIMEDOUT in place of that 0 if
 *         IL_FAIL_AT_DEADLINE was given and the deadline cancelled the scope. -EALREADY: not the
 *         innermost scope of this task, or not entered; nothing changed. -EINVAL: NULL; -EPERM: not
 *         in a task; -ESHUTDOWN: this is a forked child of the loop's process.
 */
IL_MUST_CHECK IL_API int il_scope_exit(il_scope *scope, int rc);

/**
 * @brief Cancels the scope: now, or from its entry on if it is not entered yet. Loop's thread only,
 * inside a task or not (from another thread: il_portal_run_sync() a function that does it).
 * @return 0, also when it was cancelled before or left already; -EINVAL: NULL; -EPERM: another
 *         thread; -ESHUTDOWN: inherited across fork.
 */
IL_API int il_scope_cancel(il_scope *scope);

/**
 * @brief As il_scope_cancel(), with a reason: in each task that is cancelled il_error_detail()
 * returns "cancelled: " and the reason. The first cancellation's stays. The text must outlive the
 * scope.
 */
IL_API int il_scope_cancel_because(il_scope *scope, const char *reason);

/** @brief Whether the scope itself was cancelled, by hand or by its deadline. */
IL_API bool il_scope_cancelled(const il_scope *scope);
/** @brief Whether its exit turned -ECANCELED into 0. */
IL_API bool il_scope_caught(const il_scope *scope);
/** @brief Whether its deadline cancelled it. */
IL_API bool il_scope_expired(const il_scope *scope);

/**
 * @brief Moves the deadline of a scope that is entered, or will be.
 *
 * Of a deadline set before entry and the one given to il_scope_enter() the earlier one counts.
 * @return 0; -EALREADY: the scope is cancelled or was left; -EINVAL: NULL; -EPERM: another thread;
 *         -ESHUTDOWN: inherited across fork; -ENOMEM.
 */
IL_API int il_scope_set_deadline(il_scope *scope, il_time deadline);

/**
 * @brief Switches the shield. Switched off while an outer scope is cancelled, it cancels what waits
 * inside at once.
 * @return 0; -EINVAL: NULL; -EPERM: another thread; -ESHUTDOWN: inherited across fork.
 */
IL_API int il_scope_set_shield(il_scope *scope, bool shield);

/**
 * @brief Returns when the calling task will be cancelled by a deadline: the earliest one up
 * to the nearest shield, IL_FOREVER if there is none, INT64_MIN inside a cancelled scope.
 */
IL_API il_time il_effective_deadline(void);

/**
 * @brief Runs fn under a time limit; running out of time is not an error.
 *
 * A call that cannot be cancelled keeps its result, however late: il_run_in_thread() waits for its
 * function. To end that in time let the function call il_from_thread_check_cancelled(), leave it
 * behind with abandon_on_cancel, or run it in a process pool with kill_on_cancel.
 * @return fn's result; 0 if the time was up and fn returned -ECANCELED (to tell them apart use a
 *         scope and il_scope_expired); -EINVAL: negative delay; -EPERM: not in a task; -ESHUTDOWN: this
 *         is a forked child of the loop's process.
 */
IL_MUST_CHECK IL_API int il_move_on_after(il_time delay, il_fn *fn, void *arg);

/** @brief As il_move_on_after(), but returns -ETIMEDOUT if the time was up and fn returned
 * -ECANCELED. */
IL_MUST_CHECK IL_API int il_fail_after(il_time delay, il_fn *fn, void *arg);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
