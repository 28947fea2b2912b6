/**
 * @file base.h
 * @brief Results, time and the log: what every other header builds on.
 *
 * Every function that can fail returns an int: 0 or more is success, a negative value is a negated
 * errno code. A code that interloop itself returns has the
 * meaning given in the table of docs/semantics.md; any other code comes unchanged from the system.
 */
#ifndef INTERLOOP_BASE_H
#define INTERLOOP_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Incompatible changes. While it is 0 the SOVERSION is 0.MINOR. */
#define IL_VERSION_MAJOR 0
/** Additions; while the major version is 0 also changes of layout. */
#define IL_VERSION_MINOR 2
/** Corrections. */
#define IL_VERSION_PATCH 0

/** Marks the exported functions. */
#if defined(IL_BUILD) && !defined(IL_STATIC)
#define IL_API __attribute__((visibility("default")))
#else
#define IL_API
#endif

/**
 * Marks the functions whose result a correct program must look at: those that take, send, start or
 * open something, and those that end a scope. The compiler warns where it is ignored; gcc also where the call is
 * cast to void: store the result. A program may define it empty before it includes a header of the
 * library.
 */
#ifndef IL_MUST_CHECK
#if defined(__cplusplus) && __cplusplus >= 201703L
#define IL_MUST_CHECK [[nodiscard]]
#elif defined(__GNUC__)
#define IL_MUST_CHECK __attribute__((warn_unused_result))
#else
#define IL_MUST_CHECK
#endif
#endif

/** Lets the compiler check arguments as printf's. */
#define IL_PRINTF(at, first) __attribute__((format(printf, at, first)))

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup base Results, time, the log
 * @{
 */

/** The one function type: tasks, worker threads, worker processes and portals all run it. It
 * returns 0 or more, or a negated errno code. A C++ exception must not leave it. Only in a worker
 * may it end its thread instead of returning (pthread_exit): its call then returns -EOWNERDEAD. */
typedef int il_fn(void *arg);

/** Nanoseconds: a span (delay, timeout) or a point on the monotonic clock (deadline). */
typedef int64_t il_time;

/** Private: the conversion in the macros below. The program's own warnings apply where a macro is
 * expanded, so the C++ form has no C-style cast. */
#ifdef __cplusplus
extern "C++" {
template <typename Number> constexpr il_time il_time_of(Number n)
{
	return static_cast<il_time>(n);
}
}
#define IL_TIME_OF(n) il_time_of(n)
#else
#define IL_TIME_OF(n) ((il_time)(n))
#endif

/** @name Times from numbers
 * The number may be of any arithmetic type; the result is an il_time.
 * @{ */
/** Nanoseconds. */
#define IL_NSEC(n) IL_TIME_OF(n)
/** Microseconds. */
#define IL_USEC(n) IL_TIME_OF((n)*INT64_C(1000))
/** Milliseconds. */
#define IL_MSEC(n) IL_TIME_OF((n)*INT64_C(1000000))
/** Seconds. */
#define IL_SEC(n) IL_TIME_OF((n)*INT64_C(1000000000))
/** @} */

/** No timeout, no deadline. */
#define IL_FOREVER INT64_MAX

typedef struct il_loop il_loop;             /**< A loop; see loop.h. */
typedef struct il_backend il_backend;       /**< A kind of loop; see backend.h. */
typedef struct il_task il_task;             /**< A task; only the library looks inside. */
typedef struct il_future il_future;         /**< See future.h. */
typedef struct il_event il_event;           /**< See event.h. */
typedef struct il_executor il_executor;     /**< See executor.h. */
typedef struct il_portal il_portal;         /**< See portal.h. */
typedef struct il_limiter il_limiter;       /**< See limiter.h. */
typedef struct il_server il_server;         /**< See server.h. */
typedef struct il_client il_client;         /**< See client.h. */
typedef struct il_exit_stack il_exit_stack; /**< See exit_stack.h. */

/**
 * @brief The time now: CLOCK_MONOTONIC, or in a loop's thread that loop's clock (virtual time has
 * its own). Any thread; never waits.
 */
IL_API il_time il_now(void);

/**
 * @brief il_now() + delay, saturating at IL_FOREVER; a negative delay gives a time in the past.
 */
IL_API il_time il_deadline(il_time delay);

/** @brief A sentence for a result code (0 or more: "success"). Static text; any thread. */
IL_API const char *il_strerror(int rc);

/** @brief The name of a result code, such as "ECANCELED"; "OK" for 0 or more. Static text. */
IL_API const char *il_error_name(int rc);

/**
 * @brief Returns what went wrong with the last call in this thread that interloop refused: which
 * name, which limit, which library, and what to do.
 *
 * A code that the library refused elsewhere (in a worker, a portal call or a group's task, or for a
 * future) brings its detail from there. The text is "" if the code is the function's own, if
 * nothing was refused yet, or if the last refusal had no detail. Each task
 * has its own detail, as it has its own errno. The text belongs to the library and is valid until
 * the next call in this thread that fails. Read it at once after the failing call, before anything
 * that may wait. It is one line of UTF-8; control characters and other bytes in a name are shown as
 * \\xNN.
 */
IL_API const char *il_error_detail(void);

/**
 * @brief For functions of your own: sets il_error_detail() and returns rc, as in `return
 * il_fail(-EINVAL, "no user %s", name);`.
 *
 * The detail goes where the code goes: to the task or thread that waits for the function in a
 * worker thread, through a portal or in a group.
 * @param format  as for printf; a text over 239 bytes is cut.
 */
IL_API int il_fail(int rc, const char *format, ...) IL_PRINTF(2, 3);

/** @brief Returns the version of the library at run time, such as "0.2.0"; IL_VERSION_ is that of
 * the headers. Any thread. */
IL_API const char *il_version(void);

/**
 * @brief Returns how many processors the program has: those that it had when the library was loaded,
 * or as many as its control groups allow now, if that is fewer; 1 or more.
 *
 * The defaults of thread pools, process pools and remote workers follow from it. It reads the files of
 * the control groups. Any thread.
 */
IL_API int il_processor_count(void);

/** Where the library's memory comes from; see il_set_allocator(). */
typedef struct il_allocator {
	/** As malloc: aligned for any type; NULL: there is none. */
	void *(*malloc)(size_t size, void *arg);
	/** As realloc; memory is never NULL, size never 0. */
	void *(*realloc)(void *memory, size_t size, void *arg);
	/** As free; memory is never NULL. */
	void (*free)(void *memory, void *arg);
	void *arg;         /**< Passed to the three. */
	void *reserved[8]; /**< Zero. */
} il_allocator;

/**
 * @brief Sets the allocator for all memory of the core: for programs with arenas or accounting.
 *
 * Call it before any other function of the library, and before there are threads that use it. The
 * functions are called from any thread, possibly from several at once; they must not call the
 * library. Stacks of tasks are mapped, not allocated; the native loops and the C library's own
 * functions (getaddrinfo, threads) keep their allocators.
 * @param a  copied; NULL: the C library's malloc, realloc and free.
 * @return 0; -EBUSY: the library has allocated memory already; -EINVAL: one of the functions is
 *         NULL.
 */
IL_API int il_set_allocator(const il_allocator *a);

/** Levels of the log. */
enum { IL_LOG_ERROR, IL_LOG_WARNING, IL_LOG_INFO, IL_LOG_DEBUG };

/**
 * @brief Sets where the library's only log goes.
 *
 * @param log  called in any thread, possibly in several at once; it must not wait. The message is
 *             one line of UTF-8, as il_error_detail(). NULL restores the default: warnings and
 *             errors to stderr.
 * @param arg  passed to log; must stay valid while log is set, and until the calls that other
 *             threads have begun before have returned: they are not waited for.
 */
IL_API void il_set_log(void (*log)(int level, const char *message, void *arg), void *arg);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
