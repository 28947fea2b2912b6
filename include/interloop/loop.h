/**
 * @file loop.h
 * @brief Loops: choosing a backend, running a main function, adopting a loop that already runs.
 *
 * A loop belongs to one thread: an own loop to the thread that opened it, an attached loop to the
 * thread that attached it. One loop at a time runs in a thread.
 */
#ifndef INTERLOOP_LOOP_H
#define INTERLOOP_LOOP_H

#include <interloop/base.h>
#include <interloop/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup loop Loops
 * @{
 */

/** Options of a loop; zero means the default everywhere. */
typedef struct il_loop_options {
	/** Bytes of stack a task has, rounded up to whole pages; from 16 KiB to 8 GiB (512 MiB
	 * where pointers have 32 bits). Default: 64 KiB; 256 KiB in a program built with a
	 * sanitizer. */
	size_t stack_size;
	/** Most calls posted to the loop that have not begun. Default: 65,536; SIZE_MAX: no limit. */
	size_t queue_limit;
	/** Tokens of the default limiter of il_run_in_thread(). Default: 40; SIZE_MAX: no limit. */
	size_t thread_limit;
	/** SIGINT cancels the main task; il_loop_run() returns -EINTR if main then returns
	 * -ECANCELED. Default: off. */
	bool handle_sigint;
	/** How long il_loop_close() waits for abandoned threads. Default: 0, not at all. */
	il_time shutdown_timeout;
	/** Virtual time: permutes the order of ready tasks. Default: 0, first in, first out. */
	uint64_t seed;
	/** Virtual time: stop after this many task steps. Default: 0, no limit. */
	uint64_t step_limit;
	/** Bytes of address space below each task's stack that fault when they are touched. They
	 * take no memory. Rounded up to whole pages, at most 256 MiB. Default: 64 KiB; 16 KiB where
	 * pointers have 32 bits. */
	size_t guard_size;
	/** Most threads that look up host names. A lookup that was given up counts until the system
	 * lets its thread go, perhaps many seconds later. Beyond the limit a lookup returns
	 * -EAGAIN. Default: 64; SIZE_MAX: no limit. */
	size_t lookup_limit;
	/** By how much il_sleep() and the time limits of single calls may be late, so that many of
	 * them end together, which takes less processor time: with a slack they end at its multiples
	 * on il_now()'s clock. Tasks begin with it; see il_task_set_timer_slack(). Default: 0, each on
	 * its own time. */
	il_time timer_slack;
	/** A task that holds the loop for longer than this, without a call that waits or yields, is logged
	 * afterwards as a warning, with its name and the milliseconds, at most once a second per
	 * task, and counted in il_loop_statistics. By the real clock, also in virtual time. Default: 0,
	 * off, unless the environment variable INTERLOOP_SLOW_TASK_MS has a number of milliseconds. It
	 * is ignored in programs that are set-uid or the like. */
	il_time slow_task;
	/** Measures how much of its stack each task uses: il_loop_dump() shows it for each, and
	 * il_loop_statistics has the most. Stacks are written to from end to end before their first use, and
	 * what was used is written to again before the next, so a task takes all the memory of its
	 * stack, and starting one takes longer. Default: off. */
	bool measure_stacks;
	/** Has a task that overflows its stack say so on stderr, with its name, the stack's size and what to
	 * set, before the program dies of SIGSEGV, or the program's own handler of SIGSEGV is called, as
	 * without this. It takes an alternate signal stack in the loop's thread, if that has none, and
	 * handlers of SIGSEGV and SIGBUS for the process. A frame of more than guard_size bytes may lie
	 * beyond what is noticed. Not in a program with sanitizers, which have reports of their
	 * own. Also on with INTERLOOP_REPORT_OVERFLOW=1 in the environment of a program that is not
	 * set-uid or the like. Default: off. */
	bool report_overflow;
	void *reserved[5 - 2 * sizeof(il_time) / sizeof(void *)]; /**< Zero. */
} il_loop_options;

/**
 * @brief Opens a loop on the backend, runs main as its root task, closes the loop.
 *
 * In the process's main thread it handles SIGINT while it runs, provided that SIGINT has its
 * default disposition: the first SIGINT cancels main, and il_run() returns -EINTR if main then
 * returns -ECANCELED; a second one kills the program as usual. il_run() waits for everything
 * started on the loop: tasks left when main returns are cancelled and joined (as asyncio.run does).
 * For options use il_loop_open() with handle_sigint, il_loop_run() and il_loop_destroy().
 *
 * @param backend  what il_backend_find() or il_libuv() etc. returned; NULL: -ENOENT.
 * @return main's result; -EBUSY: a loop already runs in this thread; -EINTR; or why the loop could
 *         not be opened.
 */
IL_API int il_run(const il_backend *backend, il_fn *main, void *arg);

/**
 * @brief Finds a backend by name: "libuv", "libev", "libevent", "virtual", or a registered one.
 *
 * Backends that are not linked are loaded from beside libinterloop, then from
 * $INTERLOOP_MODULE_PATH. Any thread.
 *
 * @param name  NULL: the one that $INTERLOOP_BACKEND names (ignored in a set-uid program), else the
 *              first of libuv, libev, libevent that loads; never virtual.
 * @return a static object, or NULL: there is none; il_error_detail() says why and which names
 *         exist.
 */
IL_API const il_backend *il_backend_find(const char *name);

/**
 * @brief Makes a backend known to il_backend_find() under its name: one that is linked statically,
 * or your own. The object must live as long as the program.
 * @return 0; -EINVAL: it is NULL, its abi is not this library's or a primitive is missing;
 *         -EALREADY: another backend has that name; -ENOMEM. Registering the same object again is
 *         0.
 */
IL_API int il_backend_register(const il_backend *backend);

/** @brief The backend's name; NULL for NULL. */
IL_API const char *il_backend_name(const il_backend *backend);

/**
 * @brief Opens a loop of the backend's own kind. It runs in the thread that opened it.
 * @param options  NULL: the defaults.
 * @return 0; -ENOENT: backend is NULL; -EINVAL: an option is out of range; -ENOTSUP: the thread has
 *         a shadow stack; -ENOMEM, -EMFILE, -ENFILE: there is not enough for it, also where the
 *         native library would end the program; or what else the system says.
 */
IL_MUST_CHECK IL_API int il_loop_open(il_loop **loop, const il_backend *backend,
				      const il_loop_options *options);

/**
 * @brief Runs main as the root task, and with it everything that was started on the loop, until
 * main has ended.
 *
 * May be called again after it returned.
 *
 * Tasks that main leaves behind go on in the next il_loop_run(), or end in il_loop_close().
 * @return main's result; -EPERM: not the thread that opened it, or the loop is attached (its host
 *         runs it), or called in a callback of il_future_on_done(), which may not wait; -EBUSY: a
 *         loop already runs in this thread; -ESHUTDOWN: closed, or inherited across fork; -EINTR:
 *         SIGINT ended it; -EDEADLK: virtual time, and every task is asleep forever; -ETIMEDOUT:
 *         virtual time, and step_limit is used up; -ENOMEM: no stack for the root task.
 */
IL_API int il_loop_run(il_loop *loop, il_fn *main, void *arg);

/**
 * @brief Refuses new work, cancels and joins what is left, and releases everything but
 * the object itself. Idempotent.
 *
 * Calls that were posted and never began end with -ESHUTDOWN. Exception: those without a future are
 * run, tasks among them in a cancelled scope. Waits for worker threads that a task waits for, and
 * up to options.shutdown_timeout for abandoned ones. Unless an abandoned call still runs, the
 * loop's worker threads have ended when it returns. If the driver fails while tasks are left, it stops
 * the program with a sentence: nothing could end them.
 * @return 0; -ETIMEDOUT: shutdown_timeout passed while an abandoned thread still ran; it is left to
 *         end by itself; -EPERM: another thread, an attached loop (see il_loop_detach), or tasks are
 *         left and it is called in a callback of il_future_on_done(), which may not wait; -EBUSY: it
 *         runs, or this is called by what il_loop_close() itself calls, or tasks are left and another loop
 *         runs in this thread; -ESHUTDOWN: inherited across fork; -EINVAL: NULL; or what the driver
 *         failed with, or an object of the loop that it could not end.
 */
IL_API int il_loop_close(il_loop *loop);

/** @brief Closes the loop if it is open, and frees it. NULL is allowed. For an attached loop, and
 * where il_loop_close() is refused, it stops the program with a sentence. A loop that is closed may be
 * destroyed in any thread. */
IL_API void il_loop_destroy(il_loop *loop);

/** @brief The loop of the calling thread, NULL outside a loop's thread. */
IL_API il_loop *il_loop_current(void);

/** @brief The backend that the loop was opened or attached with. */
IL_API const il_backend *il_loop_backend(const il_loop *loop);

/** @brief The native loop: uv_loop_t *, struct ev_loop * or struct event_base *; NULL for virtual, of a
 * loop that is closed, and of one that il_loop_detach() has taken off in a forked child. */
IL_API void *il_loop_native(il_loop *loop);

/**
 * @brief Starts fn as a root task of the loop; returns at once. Loop's thread only: inside or
 * outside a task, also before an own loop runs.
 * @param f  receives a reference to the task's future (il_future_unref() it); NULL: nobody waits
 *           for the result, a negative one is logged as a warning.
 * @return 0; -EPERM: another thread; -ESHUTDOWN: the loop is shut down; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_loop_spawn(il_loop *loop, il_future **f, il_fn *fn, void *arg);

/**
 * @brief As il_loop_spawn(), with a name and a stack of the task's own.
 * @param options  NULL: the defaults. Copied.
 * @return as il_loop_spawn(); -EINVAL: stack_size is out of range.
 */
IL_MUST_CHECK IL_API int il_loop_spawn_with(il_loop *loop, il_future **f, il_fn *fn, void *arg,
					    const il_task_options *options);

/**
 * @brief For attached loops: refuse new work, cancel the root tasks, close the portals.
 * @param empty  runs once in the loop's thread when nothing is left, outside any task;
 *               il_loop_detach is allowed there. May be NULL.
 * @return 0, at once; -EALREADY: called before; -EPERM: another thread, or an own loop (see
 *         il_loop_close); -ESHUTDOWN: inherited across fork; -EINVAL: NULL; -ENOMEM and the like: the
 *         native loop refused the library's watches, which nothing alive had kept or the host had
 *         closed; nothing has changed, so it may be called again. What is alive goes on if the
 *         watches were granted when they were asked for once more.
 */
IL_API int il_loop_shutdown(il_loop *loop, void (*empty)(il_loop *loop, void *arg), void *arg);

/**
 * @brief Removes the library from a native loop and frees the il_loop; the native loop is left as
 * it was found.
 *
 * After detaching from a libuv loop, let it run once more before uv_loop_close.
 *
 * In a forked child it takes the library off the host's copy of the loop, in any thread and
 * whatever lived on it, and has the native library make that copy the child's own; the parent's is
 * not touched. Destroy inherited streams, servers and the like after it.
 * @return 0; -EBUSY while a task, an open portal, a set timer, an active watch or a call in a worker
 *         process lives, and in callbacks other than `empty` of il_loop_shutdown(); -EPERM:
 *         another thread, or called from a task, or not an attached loop; -EINVAL: NULL. In a forked
 *         child: 0; -ESHUTDOWN: not an attached loop; -ENOTSUP: the backend cannot renew a loop; or why
 *         the native library could not.
 */
IL_API int il_loop_detach(il_loop *loop);

/** @name The four services of a backend
 * Each dispatches through the loop's vtable, as il_sleep(), il_event_create() and
 * il_run_in_thread() do.
 * @{ */
/** @brief As il_sleep(), on the calling task's own loop. -EPERM: not a task of that loop. */
IL_API int il_loop_sleep(il_loop *loop, il_time delay);
/** @brief As il_event_create(), for that loop. Loop's thread only (-EPERM); -ENOMEM. */
IL_MUST_CHECK IL_API int il_loop_create_event(il_loop *loop, il_event **event);
/** @brief As il_run_in_thread(), on the calling task's own loop. */
IL_API int il_loop_run_in_thread(il_loop *loop, il_fn *fn, void *arg);
/**
 * @brief Creates a threads portal into the loop; see portal.h. Loop's thread only, inside or
 * outside a task, also before an own loop runs.
 * @return 0; -EPERM: another thread; -ESHUTDOWN: the loop is shut down, or the calling task's host
 *         in a simulated network has crashed; -ENOMEM.
 */
IL_MUST_CHECK IL_API int il_loop_create_threads_portal(il_loop *loop, il_portal **portal);
/** @} */

/** @} */

#ifdef __cplusplus
}
#endif

#endif
