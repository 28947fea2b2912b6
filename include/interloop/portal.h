/**
 * @file portal.h
 * @brief Portals: calls from any thread into a loop. Thread-safe, reference-counted.
 *
 * A portal is open from its creation (il_loop_create_threads_portal()) until il_portal_stop() or
 * il_portal_close(); calls made before the loop runs are queued. Its tasks belong to the portal: no
 * scope of its creator reaches them. A waiting call from the loop's own thread answers -EDEADLK, from
 * a task of another loop it parks that task. The semantics are those of EasyNetwork's ThreadsPortal
 * and AnyIO's BlockingPortal.
 */
#ifndef INTERLOOP_PORTAL_H
#define INTERLOOP_PORTAL_H

#include <interloop/base.h>
#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup portal Portals
 * @{
 */

/** @name Calls that wait
 * queue_limit does not bind them. They return only when fn has ended or is certain never to
 * run. In a task of another loop they are cancellation points: cancelled, they cancel the remote call
 * and wait for its end. Errors of all: -EDEADLK: the portal's own loop's thread; -EPERM: a place that
 * may not wait; -ESHUTDOWN: the portal is stopped or closed, its loop is gone, or it was inherited
 * across fork; -EINTR: see il_blocking_portal_options.handle_sigint; -EINVAL; -ENOMEM.
 * @{ */
/** @brief Runs fn as a task on the loop. @return fn's result; -ECANCELED if it was cancelled. */
IL_API int il_portal_run_coroutine(il_portal *p, il_fn *fn, void *arg);
/** @brief Runs fn as a plain call in the loop's thread, where it may not wait. @return its result. */
IL_API int il_portal_run_sync(il_portal *p, il_fn *fn, void *arg);
/**
 * @brief Runs fn as a task and waits until it has called il_task_started().
 * @param f      receives a reference to the task's future; may be NULL.
 * @param value  receives what the task said; may be NULL.
 * @return 0; fn's error before il_task_started(); -EPROTO: it ended well or cancelled without.
 * arg is the task's until it ends.
 */
IL_API int il_portal_start_task(il_portal *p, il_future **f, int *value, il_fn *fn, void *arg);
/** @} */

/** @name Calls that do not wait
 * From any thread, the loop's own included. f receives a reference to the call's future; NULL: fire
 * and forget, fn owns arg and is called exactly once, whatever closes first. Errors: -EAGAIN: the
 * loop's queue is full; -ESHUTDOWN, -EINVAL, -ENOMEM.
 * @{ */
/** @brief Has fn run as a task on the loop; its future can be cancelled while it runs. */
IL_API int il_portal_run_coroutine_soon(il_portal *p, il_future **f, il_fn *fn, void *arg);
/** @brief Has fn called in the loop's thread, where it may not wait. In the order of posting. */
IL_API int il_portal_run_sync_soon(il_portal *p, il_future **f, il_fn *fn, void *arg);
/** @} */

/** @name An async context used from a thread
 * fn runs as one task: up to il_portal_hold() on enter, from there to its end on exit (AnyIO's
 * wrap_async_context_manager).
 * @{ */
/** An entered context. */
typedef struct il_portal_context il_portal_context;
/**
 * @brief Starts fn and waits for its il_portal_hold(). @return the value that it holds with (0 or
 * more); fn's error if it ended before; -EPROTO: it ended without; errors of waiting calls.
 */
IL_API int il_portal_enter(il_portal *p, il_portal_context **c, il_fn *fn, void *arg);
/**
 * @brief In fn: makes il_portal_enter() return value, parks until il_portal_exit(). A cancellation point.
 * @return the rc that il_portal_exit() was given; -ECANCELED; -EALREADY: called before; -EPERM: not in
 *         such a task; -EINVAL: negative value.
 */
IL_API int il_portal_hold(int value);
/**
 * @brief Lets fn go on with rc, waits for its end, frees c.
 * @return fn's result (which may swallow rc or not); -EDEADLK, -EPERM: c is kept; -ESHUTDOWN:
 * inherited across fork, c is freed.
 */
IL_API int il_portal_exit(il_portal_context *c, int rc);
/** @} */

/**
 * @brief Parks the calling task of the portal's loop until il_portal_stop(). A cancellation point.
 * @return 0; -ECANCELED; -EPERM: not in a task of that loop.
 */
IL_API int il_portal_sleep_until_stopped(il_portal *p);

/**
 * @brief Refuses new work and wakes il_portal_sleep_until_stopped(). Any thread or task, any number of
 * times; never waits. Tasks that run go on, unless cancel_remaining.
 * @return 0; -ESHUTDOWN: inherited across fork; -EINVAL.
 */
IL_API int il_portal_stop(il_portal *p, bool cancel_remaining);

/**
 * @brief Once, by the creator: refuse new work, finish what was accepted (cancelled first if the
 * closing scope is or gets cancelled), drop the creator's reference. In a task of the loop it waits,
 * shielded. Outside a task, or after the loop ended, it refuses and drops, and does not wait.
 * @return 0; -EDEADLK: called from a task of that portal; nothing changed.
 */
IL_API int il_portal_close(il_portal *p);

/** @brief Takes another reference; gives p back. A reference keeps the object, not the loop. */
IL_API il_portal *il_portal_ref(il_portal *p);
/** @brief Drops a reference. NULL is allowed. */
IL_API void il_portal_unref(il_portal *p);

/** Options of il_blocking_portal_start(); zero means the default everywhere. */
typedef struct il_blocking_portal_options {
	il_loop_options loop; /**< Of the new loop; handle_sigint has no meaning there. */
	const char *name;     /**< The thread's name; NULL: "interloop". */
	/** In the process's main thread, while SIGINT is at its default and nobody else handles it: the
	 * first one is as il_portal_stop(p, true), and waiting calls of that thread which end with it, or
	 * are refused after it, answer -EINTR. A second one kills as usual. */
	bool handle_sigint;
	void *reserved[8]; /**< Zero. */
} il_blocking_portal_options;

/**
 * @brief Runs a loop in a thread of its own, with a portal into it. In a task it parks. The thread has the
 * processors and the policy that the program had when the library was loaded, not the caller's.
 * @param backend  NULL: -ENOENT.
 * @return 0; -ENOENT; -EPERM: a place that may not wait; -ECANCELED, -EINTR: given up meanwhile, no
 *         thread is left; or why the loop could not be opened.
 */
IL_API int il_blocking_portal_start(il_portal **p, const il_backend *backend,
				    const il_blocking_portal_options *options);

/**
 * @brief Once: stop the portal, finish what runs, join the loop's thread, drop the reference that
 * start gave. To cancel what runs call il_portal_stop(p, true) before. In a task it parks, shielded.
 * @return 0; -EINVAL: not a blocking portal; -EDEADLK: from its own thread; -EPERM: a place that may
 *         not wait; -EALREADY: a second call, through a reference of the caller's own; -EINTR: SIGINT
 *         stopped the portal, and no call has told so.
 */
IL_API int il_blocking_portal_stop(il_portal *p);

/** A shared blocking portal that starts on first use and ends with its last user. Thread-safe. */
typedef struct il_portal_provider il_portal_provider;
/** @brief Creates a provider; nothing starts yet. options are copied. -ENOENT, -ENOMEM. */
IL_API int il_portal_provider_create(il_portal_provider **provider, const il_backend *backend,
				     const il_blocking_portal_options *options);
/** @brief Borrows the portal, starting it for the first user; errors of il_blocking_portal_start(). */
IL_API int il_portal_provider_acquire(il_portal_provider *provider, il_portal **p);
/**
 * @brief Gives it back; the last user stops it, as il_blocking_portal_stop().
 * @return 0; -EALREADY: nobody holds it; the last user's -EDEADLK, -EPERM: nothing changed.
 */
IL_API int il_portal_provider_release(il_portal_provider *provider);
/** @brief Frees it; stops the program with a sentence if somebody holds it. NULL is allowed. */
IL_API void il_portal_provider_destroy(il_portal_provider *provider);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
