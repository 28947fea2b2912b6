/**
 * @file bytes.h
 * @brief Calls with bytes in and bytes out, of sizes that nobody knows before.
 *
 * Every call of an executor takes a flat struct and its size. With IL_BYTES for the size the argument is an
 * il_bytes instead: the function reads `in` and makes `out`. In a worker process `in` is copied there
 * and `out` back; threads work on the caller's own. So such a call, too, moves from threads to processes
 * by changing the line that creates the executor.
 *
 *     il_bytes b = {.in = text, .in_size = size};
 *     int rc = il_executor_run(ex, shorten, &b, IL_BYTES);
 *     ... b.out, b.out_size ...
 *     il_bytes_free(&b);
 */
#ifndef INTERLOOP_BYTES_H
#define INTERLOOP_BYTES_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup bytes Calls with bytes
 * @{
 */

/** In place of the size of an argument: it is an il_bytes; of il_executor_map(): so is each item. */
#define IL_BYTES SIZE_MAX

/**
 * What a call of the bytes form works on; zero but for `in`. It and `in` belong to the call until it has
 * ended, and `in` is not copied before, so a call without a future is -EINVAL.
 *
 * Once the function has ended, whatever it returned, `out` is what it made of it, and what `out` had from an
 * earlier call is freed. If it did not run, or its process died, or its result was too large, il_bytes is
 * untouched.
 */
typedef struct il_bytes {
	const void *in; /**< The caller's; the function only reads it. */
	size_t in_size; /**< Bytes of it. */
	/** What the function made: the caller's, once the call has ended. NULL if that is no byte, and
	 * only then. */
	void *out;
	size_t out_size;   /**< Bytes of it. */
	size_t room;       /**< Of out: the library's. */
	void *reserved[3]; /**< Zero. */
} il_bytes;

/**
 * @brief In the function: makes `out` so large; what was in it stays. Any number of times.
 * @return out, never NULL for a size of 0; NULL: no memory, or bytes is NULL (nothing changed).
 */
IL_API void *il_bytes_resize(il_bytes *bytes, size_t size);

/**
 * @brief In the function: adds to the end of `out`.
 * @param data  may be NULL if size is 0.
 * @return 0; -ENOMEM; -EINVAL: bytes or data is NULL.
 */
IL_API int il_bytes_append(il_bytes *bytes, const void *data, size_t size);

/** @brief Frees `out` and forgets it. NULL is allowed. */
IL_API void il_bytes_free(il_bytes *bytes);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
