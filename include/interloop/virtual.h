/**
 * @file virtual.h
 * @brief Virtual time: a backend whose clock jumps to the next deadline when every task waits.
 *
 * For testing handlers: an hour of timeouts passes in microseconds, and il_loop_options.seed
 * permutes the order in which ready tasks run. Descriptors, worker threads and portals work; the
 * clock stands while a thread owes a result.
 */
#ifndef INTERLOOP_VIRTUAL_H
#define INTERLOOP_VIRTUAL_H

#include <interloop/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup virtual Virtual time
 * @{
 */

/** @brief The backend; the same object that il_backend_find("virtual") gives. */
IL_API const il_backend *il_virtual(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
