/**
 * @file libev.h
 * @brief The libev backend, linked, and handlers on a libev loop that the application already runs.
 */
#ifndef INTERLOOP_LIBEV_H
#define INTERLOOP_LIBEV_H

#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup libev libev
 * @{
 */

struct ev_loop;

/** @brief The backend; the same object that il_backend_find("libev") gives. */
IL_API const il_backend *il_libev(void);

/**
 * @brief Adopts a libev loop: it is never run, stopped or freed by us, and the default loop is as
 * good as any. Call it in the thread that runs the loop (another one is stopped with a sentence);
 * end with il_loop_shutdown() and il_loop_detach().
 * @return 0; -EBUSY: this thread has a loop already; -EINVAL: NULL or a bad option; -ENOMEM,
 *         -EMFILE.
 */
IL_MUST_CHECK IL_API int il_libev_attach(il_loop **loop, struct ev_loop *native,
					 const il_loop_options *options);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
