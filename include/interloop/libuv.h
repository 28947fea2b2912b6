/**
 * @file libuv.h
 * @brief The libuv backend, linked, and handlers on a libuv loop that the application already runs.
 */
#ifndef INTERLOOP_LIBUV_H
#define INTERLOOP_LIBUV_H

#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup libuv libuv
 * @{
 */

struct uv_loop_s; /* uv_loop_t */

/** @brief The backend; the same object that il_backend_find("libuv") gives. */
IL_API const il_backend *il_libuv(void);

/**
 * @brief Adopts a libuv loop: it is never run, stopped or freed by us, and loop->data is left
 * alone. Call it in the thread that runs the loop (another one is stopped with a sentence); end
 * with il_loop_shutdown() and il_loop_detach().
 * @return 0; -EBUSY: this thread has a loop already; -EINVAL: NULL or a bad option; -ENOMEM,
 *         -EMFILE.
 */
IL_MUST_CHECK IL_API int il_libuv_attach(il_loop **loop, struct uv_loop_s *native,
					 const il_loop_options *options);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
