/**
 * @file bytes.h
 * @brief Calls with bytes in and bytes out, of sizes that are not known in advance.
 *
 * A call of an executor takes a flat struct and its size. With IL_BYTES as the size the argument is
 * an il_bytes instead: the function reads `in` and makes `out`. For a worker process `in` is copied
 * there and `out` back; threads work on the caller's own memory. So such a call, too, moves from
 * threads to processes by changing the line that creates the executor.
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

/** Instead of an argument's size: the argument is an il_bytes; for il_executor_map() each item is
 * one. */
#define IL_BYTES SIZE_MAX

/**
 * Argument of a call made with IL_BYTES. Set in and in_size, zero the rest. Struct and buffer must
 * stay valid until the call ends; nothing is copied up front, so il_executor_submit() without a
 * future returns -EINVAL.
 *
 * Once the function has ended, whatever it returned, `out` is what the function made; the `out` of
 * an earlier call is freed. If the function did not run, its process died, or its result was too
 * large, il_bytes is unchanged.
 */
typedef struct il_bytes {
	const void *in; /**< The caller's; the function only reads it. */
	size_t in_size; /**< Bytes of it. */
	/** What the function made: the caller's, once the call has ended. NULL exactly when
	 * out_size is 0. */
	void *out;
	size_t out_size;   /**< Bytes of it. */
	size_t room;       /**< Capacity of out. Private. */
	void *reserved[3]; /**< Zero. */
} il_bytes;

/**
 * @brief In the function: sets the size of `out`; its content is kept. Any number of times.
 * @return out, never NULL for a size of 0; NULL: no memory, or bytes is NULL (nothing changed).
 */
IL_API void *il_bytes_resize(il_bytes *bytes, size_t size);

/**
 * @brief In the function: adds to the end of `out`.
 * @param data  may be a part of `out`, and NULL if size is 0.
 * @return 0; -ENOMEM; -EINVAL: bytes or data is NULL.
 */
IL_MUST_CHECK IL_API int il_bytes_append(il_bytes *bytes, const void *data, size_t size);

/** @brief Frees `out` and forgets it. NULL is allowed. */
IL_API void il_bytes_free(il_bytes *bytes);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
