/**
 * @file event.h
 * @brief An event: tasks of one loop wait until it is set. Once set it stays set.
 *
 * Belongs to one loop's thread; one made outside a loop binds to its first waiter's loop. From
 * another thread use a portal: il_portal_run_sync(portal, set_it, event).
 */
#ifndef INTERLOOP_EVENT_H
#define INTERLOOP_EVENT_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup event Events
 * @{
 */

/** @brief Creates an event, not set. Any thread; in a loop's thread through its backend. -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_event_create(il_event **event);

/** @brief Frees it. NULL is allowed. Stops the program with a sentence if a task waits for it. */
IL_API void il_event_destroy(il_event *event);

/**
 * @brief Sets it and wakes every waiter, in the order in which they came. Idempotent; never waits.
 * @return 0; -EPERM: another thread than its loop's; -ESHUTDOWN: inherited across fork; -EINVAL:
 *         NULL.
 */
IL_API int il_event_set(il_event *event);

/** @brief Whether it is set. */
IL_API bool il_event_is_set(const il_event *event);

/**
 * @brief Parks the calling task until it is set; yields once if it is already. A cancellation
 * point.
 * @return 0; -ECANCELED; -EPERM: not in a task, or a task of another loop; -ESHUTDOWN: inherited
 *         across fork; -EINVAL: NULL.
 */
IL_API int il_event_wait(il_event *event);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
