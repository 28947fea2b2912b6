/**
 * @file backend.h
 * @brief For authors of a driver: six primitives make a loop a backend, a
 * seventh makes it faster. See docs/backends.md.
 *
 * A driver has no semantics of its own: timer order, wake-ups, error reporting and stop live once
 * in the core. Everything here happens in the loop's thread.
 */
#ifndef INTERLOOP_BACKEND_H
#define INTERLOOP_BACKEND_H

#include <interloop/base.h>
#include <interloop/fd.h>
#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup backend Writing a backend
 * @{
 */

/** The value of il_backend.abi. */
#define IL_BACKEND_ABI 3u

/** The core's watch of one descriptor. */
struct il_watch {
	int fd;        /**< The descriptor; it does not change. */
	unsigned mask; /**< What is asked for now; 0: nothing. Not written by the driver. */
	void *driver;  /**< The driver's to use; NULL at first. */
	/** Whose watch it is: for il_driver_on_ready(). Not written by the driver. */
	il_loop *loop;
};

/** The primitives. Each returns 0 or a negated errno code. */
struct il_driver {
	/** Prepares *self. native NULL: make a loop of your own; else adopt that one. Fails clean. */
	int (*open)(void **self, void *native, il_loop *loop);
	/** Final for the core: no upcall after it. Own loop: called outside upcalls, may run the
	 * loop until its handles are closed. Foreign: frees in the loop's own close callbacks. */
	void (*close)(void *self);
	/** Own loops only: runs until stop. */
	int (*run)(void *self);
	/** Makes run return; called only from inside an upcall. */
	void (*stop)(void *self);
	/** The one timer, absolute on now()'s clock; IL_FOREVER disarms. Firing early is harmless. If it
	 * fails it is called again in the next turn. */
	int (*timer)(void *self, il_time deadline);
	/** Watches w->fd for mask, level-triggered, one watch per descriptor; 0 ends the watch. If it fails
	 * the descriptor is forgotten, also one that was watched before for another mask: nothing of it is
	 * left in the native loop, and no upcall follows. It may be called with mask 0 after that, and
	 * returns 0 then. */
	int (*watch)(void *self, struct il_watch *w, unsigned mask);
	/** The loop's clock; NULL: CLOCK_MONOTONIC. */
	il_time (*now)(void *self);
	/** What il_loop_native() gives; NULL: nothing. */
	void *(*native)(void *self);
	/** In a forked child, of a loop that was adopted: has the native library make its copy of
	 * the loop the child's own, so that what follows (watch for 0, close) does not reach the
	 * parent's. May be called for one that is so already. NULL: il_loop_detach() is not
	 * possible there. */
	int (*renew)(void *self);
	/** Calls il_driver_on_soon() once, in this very turn of the native loop, after the upcalls of
	 * all that was polled together; called only from inside il_driver_on_ready(), in each. Exceptions:
	 * not in one that comes while a task or a plain call runs the native loop, and not after stop.
	 * Where it fails the core takes its turn at once. NULL: it does so in each upcall. */
	int (*soon)(void *self);
};

/** A backend: a driver and the four services over it. */
struct il_backend {
	unsigned abi;            /**< IL_BACKEND_ABI */
	const char *name;        /**< As il_backend_find() knows it. */
	struct il_driver driver; /**< The six primitives, and four that may be NULL. */
	/* The services: name the core's or wrap them. */
	/** il_core_sleep(): what il_sleep() calls. */
	int (*sleep)(il_loop *loop, il_time delay);
	/** il_core_create_event(): what il_event_create() calls in a loop's thread. */
	int (*create_event)(il_loop *loop, il_event **event);
	/** il_core_run_in_thread(): what il_run_in_thread() calls. */
	int (*run_in_thread)(il_loop *loop, il_fn *fn, void *arg);
	/** il_core_create_threads_portal(): what il_loop_create_threads_portal() calls. */
	int (*create_threads_portal)(il_loop *loop, il_portal **portal);
};

/** @name The core's services, for the vtable
 * @{ */
/** @brief Parks the calling task of that loop; see il_sleep(). */
IL_API int il_core_sleep(il_loop *loop, il_time delay);
/** @brief Makes an event of that loop; see il_event_create(). */
IL_API int il_core_create_event(il_loop *loop, il_event **event);
/** @brief Runs fn in a worker thread of that loop; see il_run_in_thread(). */
IL_API int il_core_run_in_thread(il_loop *loop, il_fn *fn, void *arg);
/** @brief Makes a portal into that loop; see il_loop_create_threads_portal(). */
IL_API int il_core_create_threads_portal(il_loop *loop, il_portal **portal);
/** All four, in the initializer of a backend. */
#define IL_CORE_SERVICES                                              \
	.sleep = il_core_sleep, .create_event = il_core_create_event, \
	.run_in_thread = il_core_run_in_thread,                       \
	.create_threads_portal = il_core_create_threads_portal
/** @} */

/** @name Upcalls
 * In the loop's thread only, never from inside a driver call, never after close.
 * @{ */
/** @brief The timer is due. */
IL_API void il_driver_on_timer(il_loop *loop);
/** @brief The descriptor is ready; an error or a hang-up reports the whole asked mask. loop:
 * w->loop. */
IL_API void il_driver_on_ready(il_loop *loop, struct il_watch *w, unsigned mask);
/** @brief What `soon` asked for. Harmless when nothing did. */
IL_API void il_driver_on_soon(il_loop *loop);
/** @} */

/**
 * @brief Adopts a native loop: what il_libuv_attach() and its siblings call.
 * @return 0; -EBUSY: this thread has a loop already; -EINVAL; -ENOTSUP: the thread has a shadow
 *         stack; or the driver's own error.
 */
IL_MUST_CHECK IL_API int il_loop_attach(il_loop **loop, const il_backend *backend, void *native,
					const il_loop_options *options);

/**
 * @brief For a driver's open: whether the core will call `timer` at all; not where it watches a
 * timer descriptor of its own. A loop whose precise clock costs something can do without it then.
 */
IL_API bool il_driver_needs_timer(const il_loop *loop);

/**
 * @brief For a driver's open, before it makes a native loop that would end the program where
 * descriptors lack: whether the system would give that many now. The core tries memory itself, here
 * and before each `watch`.
 *
 * @param descriptors how many at once, 32 at most
 * @return 0; -EMFILE, -ENFILE, or what else the system says, with il_error_detail().
 */
IL_API int il_driver_probe(int descriptors);

/**
 * @brief For a driver's open: the native loop takes one watcher a descriptor, and may make it
 * non-blocking. From now on the core gives `watch` a duplicate of each descriptor that is not the
 * library's own, so that the host can watch it as well, and puts its flags back.
 */
IL_API void il_driver_watches_once(il_loop *loop);

/**
 * @brief For a driver's open: sets il_error_detail() (printf-like) and returns rc.
 */
IL_API int il_driver_refuse(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** @} */

#ifdef __cplusplus
}
#endif

#endif
