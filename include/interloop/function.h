/**
 * @file function.h
 * @brief Functions known by name, in every process of a program and in other builds of it.
 *
 * A worker process finds a function by its module and its offset in it, which needs no preparation.
 * A registered function is found by its name as well: for modules that are not a file, were
 * replaced meanwhile, or are another build.
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

/** Most bytes of a function's name, without the NUL. */
#define IL_FUNCTION_NAME_MAX 63

/**
 * @brief Gives fn a name, permanently. Any thread.
 *
 * A worker must know the name, too: register it in a constructor, in the pool's initializer, or in
 * main before il_process_worker_main_if_needed().
 * @param name  copied; not empty, at most IL_FUNCTION_NAME_MAX bytes.
 * @return 0, also when fn has that name already; -EALREADY: another function has it, or fn another;
 *         -EINVAL; -ENOMEM.
 */
IL_API int il_function_register(const char *name, il_fn *fn);

/** @brief Finds the function of that name; NULL: there is none in this process. Any thread. */
IL_API il_fn *il_function_find(const char *name);

/** @brief Returns the name under which fn was registered; NULL: none. Any thread. */
IL_API const char *il_function_name(il_fn *fn);

/**
 * @brief Goes through all names: returns one after `name`, the newest first. Any thread.
 * @param name  what the last call returned; NULL: from the start.
 * @return NULL: there are no more, or there is no such name.
 */
IL_API const char *il_function_next(const char *name);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
