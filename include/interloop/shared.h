/**
 * @file shared.h
 * @brief Memory that a call shares with the worker process that runs it: for data too large to be
 * copied.
 *
 * With IL_SHARED as the size the argument is an il_shared: its `data` is the same memory in the
 * worker, mapped there for the call; its `args` are copied there and back. Threads get the caller's
 * own struct. Several calls may work on parts of one buffer at once, each with an il_shared of its
 * own, copied from the first by assignment and with other args.
 *
 *     il_shared picture;
 *     int rc = il_shared_create(&picture, size);
 *     ... fill picture.data ...
 *     rc = il_executor_run(ex, sharpen, &picture, IL_SHARED);
 *     il_shared_destroy(&picture);
 */
#ifndef INTERLOOP_SHARED_H
#define INTERLOOP_SHARED_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup shared Shared memory
 * @{
 */

/** Instead of an argument's size: the argument is an il_shared; for il_executor_map() each item is
 * one. */
#define IL_SHARED (SIZE_MAX - 1)

/**
 * Shared memory. It belongs to a call until the call has ended, so a call without a future returns
 * -EINVAL. A worker that dies leaves in `data` what it had written so far.
 */
typedef struct il_shared {
	void *data;        /**< `size` bytes, zero at first; another address in each process. */
	size_t size;       /**< Bytes; a worker cannot change it. */
	uint64_t args[4];  /**< Yours: for example which part to work on, and the results. */
	int fd;            /**< Descriptor of the memory; close-on-exec. Private. */
	void *reserved[3]; /**< Zero. */
} il_shared;

/**
 * @brief Creates shared memory. Any thread.
 * @return 0; -EINVAL: size is 0 or s NULL; -ENOMEM; -EMFILE, -ENFILE; as mmap.
 */
IL_MUST_CHECK IL_API int il_shared_create(il_shared *s, size_t size);

/** @brief Frees the memory, once for all copies of the struct. No call may use it any more. */
IL_API void il_shared_destroy(il_shared *s);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
