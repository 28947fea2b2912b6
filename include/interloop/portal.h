/**
 * @file portal.h
 * @brief Portals: calls from any thread into a loop. Thread-safe, reference-counted.
 *
 * A portal is open from its creation (il_loop_create_threads_portal()) until il_portal_stop(),
 * il_portal_close() or the end of its loop; calls made before the loop runs are queued. Its tasks
 * belong to the portal: no scope of its creator reaches them. A waiting call from the loop's own
 * thread returns -EDEADLK; from a task of another loop it parks that task. The semantics are those
 * of EasyNetwork's ThreadsPortal and AnyIO's BlockingPortal.
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
 * Not limited by queue_limit. They return only after fn has finished, or once it is certain that fn
 * will not run. In a task of another loop they are cancellation points: cancelled, they cancel the
 * call and wait for its end. Errors of all: -EDEADLK: the portal's own loop's thread; -EPERM: a
 * place that may not wait; -ESHUTDOWN: the portal is stopped or closed, its loop is gone, or it was
 * inherited across fork; -EINTR: see il_blocking_portal_options.handle_sigint; -EINVAL; -ENOMEM.
 * @{ */
/** @brief Runs fn as a task on the loop and waits for it. @return fn's result; -ECANCELED if it was
 * cancelled. */
IL_API int il_portal_run_coroutine(il_portal *p, il_fn *fn, void *arg);
/** @brief Runs fn as a plain call in the loop's thread, where it must not wait. @return its result.
 */
IL_API int il_portal_run_sync(il_portal *p, il_fn *fn, void *arg);
/**
 * @brief Runs fn as a task and waits until it has called il_task_started(). arg belongs to the task
 * until it ends.
 * @param f      receives a reference to the task's future; may be NULL.
 * @param value  receives the value that the task gave; may be NULL.
 * @return 0; fn's error before il_task_started(); -EPROTO: fn returned 0 or more, or was
 *         cancelled, without calling it.
 */
IL_MUST_CHECK IL_API int il_portal_start_task(il_portal *p, il_future **f, int *value, il_fn *fn,
					      void *arg);
/** @} */

/** @name Calls that do not wait
 * From any thread, the loop's own included. f receives a reference to the call's future. NULL:
 * nobody waits; fn owns arg and is called exactly once, whatever closes first. Errors: -EAGAIN: the
 * loop's queue is full; -ESHUTDOWN, -EINVAL, -ENOMEM.
 * @{ */
/** @brief Posts fn to run as a task on the loop; its future can be cancelled while it runs. */
IL_MUST_CHECK IL_API int il_portal_run_coroutine_soon(il_portal *p, il_future **f, il_fn *fn,
						      void *arg);
/** @brief Posts fn to be called in the loop's thread, where it must not wait. In the order of
 * posting. */
IL_MUST_CHECK IL_API int il_portal_run_sync_soon(il_portal *p, il_future **f, il_fn *fn, void *arg);
/** @} */

/** @name An async context used from a thread
 * fn runs as one task: up to il_portal_hold() on enter, from there to its end on exit (AnyIO's
 * wrap_async_context_manager).
 * @{ */
/** An entered context. */
typedef struct il_portal_context il_portal_context;
/**
 * @brief Starts fn and waits until it calls il_portal_hold().
 * @return the value given there (0 or more); fn's error if fn ended before; -EPROTO: fn ended
 *         without an error, or was cancelled, without calling it; errors of waiting calls.
 */
IL_MUST_CHECK IL_API int il_portal_enter(il_portal *p, il_portal_context **c, il_fn *fn, void *arg);
/**
 * @brief In fn: lets il_portal_enter() return value, then parks until il_portal_exit(). A
 * cancellation point.
 * @return the rc given to il_portal_exit(); -ECANCELED; -EALREADY: called before; -EPERM: not in
 *         such a task; -EINVAL: negative value.
 */
IL_API int il_portal_hold(int value);
/**
 * @brief Lets fn continue with rc, waits for its end and frees c.
 * @return fn's result, which need not be rc; where it has not ended, -EDEADLK: called in the thread
 * of the portal's loop, and -EPERM: c is kept; -ESHUTDOWN: inherited across fork, c is freed.
 */
IL_API int il_portal_exit(il_portal_context *c, int rc);
/** @} */

/**
 * @brief Parks the calling task of the portal's loop until il_portal_stop(). A cancellation point.
 * @return 0; -ECANCELED; -EPERM: not in a task of that loop; -ESHUTDOWN: inherited across fork;
 *         -EINVAL.
 */
IL_API int il_portal_sleep_until_stopped(il_portal *p);

/**
 * @brief Refuses new work and wakes il_portal_sleep_until_stopped(). Any thread or task, any number
 * of times; never waits.
 * @param cancel_remaining  cancels the portal's tasks; else they go on.
 * @return 0; -ESHUTDOWN: inherited across fork; -EINVAL.
 */
IL_API int il_portal_stop(il_portal *p, bool cancel_remaining);

/**
 * @brief Once, by the creator: refuses new work, finishes accepted calls and drops the creator's
 * reference.
 *
 * The calls are cancelled first if the closing scope is or gets cancelled. In a task of the loop it
 * waits, shielded. Outside a task, or after the loop ended, it does not wait.
 * @return 0; -EDEADLK: called from a task of that portal, nothing changed; -ESHUTDOWN: inherited
 *         across fork; -EINVAL.
 */
IL_API int il_portal_close(il_portal *p);

/** @brief Takes another reference; returns p. A reference keeps the object alive, not the loop. */
IL_API il_portal *il_portal_ref(il_portal *p);
/** @brief Drops a reference. NULL is allowed. */
IL_API void il_portal_unref(il_portal *p);

/** Options of il_blocking_portal_start(); zero means the default everywhere. */
typedef struct il_blocking_portal_options {
	il_loop_options loop; /**< Options of the new loop; handle_sigint is ignored there. */
	const char *name;     /**< The thread's name, 15 bytes of it; NULL: "interloop". */
	/** In the process's main thread, while SIGINT has its default disposition and nothing else
	 * handles it: the first SIGINT acts like il_portal_stop(p, true); calls of the main thread
	 * that it interrupts, or that are made later, return -EINTR. A second SIGINT has its
	 * default effect. Default: off. */
	bool handle_sigint;
	void *reserved[8]; /**< Zero. */
} il_blocking_portal_options;

/**
 * @brief Runs a loop in a thread of its own, with a portal into it. In a task it parks. The thread
 * has the processors and the policy that the program had when the library was loaded, not the
 * caller's.
 * @param backend  NULL: -ENOENT.
 * @return 0; -ENOENT; -EPERM: a place that may not wait; -ECANCELED, -EINTR: given up meanwhile, no
 *         thread is left; or why the loop could not be opened.
 */
IL_MUST_CHECK IL_API int il_blocking_portal_start(il_portal **p, const il_backend *backend,
						  const il_blocking_portal_options *options);

/**
 * @brief Once: stops the portal, finishes what runs, joins the loop's thread and drops the
 * reference that il_blocking_portal_start() gave.
 *
 * To cancel what runs call il_portal_stop(p, true) before. In a task it parks, shielded.
 * @return 0; -EINVAL: not a blocking portal; -EDEADLK: from its own thread; -EPERM: a place that
 *         may not wait; -EALREADY: a second call, through a reference of the caller's own; -EINTR:
 *         SIGINT stopped the portal, and no call has reported that; -ESHUTDOWN: inherited across fork.
 */
IL_API int il_blocking_portal_stop(il_portal *p);

/** A shared blocking portal that starts on first use and ends with its last user. Thread-safe. */
typedef struct il_portal_provider il_portal_provider;
/** @brief Creates a provider; nothing starts yet. options are copied. -ENOENT, -ENOMEM. */
IL_MUST_CHECK IL_API int il_portal_provider_create(il_portal_provider **provider,
						   const il_backend *backend,
						   const il_blocking_portal_options *options);
/** @brief Borrows the portal, starting it for the first user. Errors of il_blocking_portal_start();
 * -ESHUTDOWN: the provider was inherited across fork. */
IL_MUST_CHECK IL_API int il_portal_provider_acquire(il_portal_provider *provider, il_portal **p);
/**
 * @brief Returns the portal; the last user stops it, as il_blocking_portal_stop().
 * @return 0; -EALREADY: nobody holds it; the last user's -EDEADLK, -EPERM: nothing changed;
 *         -ESHUTDOWN: inherited across fork.
 */
IL_API int il_portal_provider_release(il_portal_provider *provider);
/** @brief Frees it; stops the program with a sentence if somebody holds it. NULL is allowed. */
IL_API void il_portal_provider_destroy(il_portal_provider *provider);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
