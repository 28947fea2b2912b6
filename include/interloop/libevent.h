/**
 * @file libevent.h
 * @brief The libevent backend, linked, and handlers on a libevent loop that the application already
 * runs.
 */
#ifndef INTERLOOP_LIBEVENT_H
#define INTERLOOP_LIBEVENT_H

#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup libevent libevent
 * @{
 */

struct event_base;

/** @brief The backend; the same object that il_backend_find("libevent") gives. */
IL_API const il_backend *il_libevent(void);

/**
 * @brief Adopts an event base: it is never run, stopped or freed by us, and its priorities are left
 * alone. Call it in the thread that runs the loop (another one is stopped with a sentence); end
 * with il_loop_shutdown() and il_loop_detach().
 * @return 0; -EBUSY: this thread has a loop already; -EINVAL: NULL or a bad option; -ENOMEM,
 *         -EMFILE.
 */
IL_MUST_CHECK IL_API int il_libevent_attach(il_loop **loop, struct event_base *native,
					    const il_loop_options *options);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
