/**
 * @file function.h
 * @brief Functions known by name, in every process of a program and in other builds of it.
 *
 * A worker process finds a function by its module and its offset there, which takes no preparation. A
 * registered one it finds by its name as well: where the module is not a file, was replaced meanwhile, or
 * is another build.
 */
#ifndef INTERLOOP_FUNCTION_H
#define INTERLOOP_FUNCTION_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup function Functions by name
 * @{
 */

/** Bytes of a function's name at most, without the NUL. */
#define IL_FUNCTION_NAME_MAX 63

/**
 * @brief Gives fn a name, for good. Any thread.
 *
 * A worker must know it, too: register in a constructor, in the pool's initializer, or in main before
 * il_process_worker_main_if_needed().
 * @param name  copied; not empty, at most IL_FUNCTION_NAME_MAX bytes.
 * @return 0, also when fn has that name already; -EALREADY: another function has it, or fn another;
 *         -EINVAL; -ENOMEM.
 */
IL_API int il_function_register(const char *name, il_fn *fn);

/** @brief The function of that name; NULL: none here. Any thread. */
IL_API il_fn *il_function_find(const char *name);

/** @brief The name that fn was registered by; NULL: none. Any thread. */
IL_API const char *il_function_name(il_fn *fn);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
