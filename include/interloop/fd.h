/**
 * @file fd.h
 * @brief Waiting for any descriptor that a foreign library gives you.
 */
#ifndef INTERLOOP_FD_H
#define INTERLOOP_FD_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup fd Descriptors
 * @{
 */

/** Directions of a descriptor. */
enum { IL_READABLE = 1u, IL_WRITABLE = 2u };

/**
 * @brief Parks the calling task until fd can be read, or has an error or a hang-up, which the next
 * system call reports. A cancellation point.
 *
 * Files that are always ready (regular files, /dev/null) are ready at once. The descriptor's flags
 * are not changed. Close it only after il_notify_closing(), or when nobody waits for it. The host
 * may watch it with the native loop as well.
 * @return 0; -EBADF: not an open descriptor; -EBUSY: another task waits for this direction;
 *         -ECANCELED: cancelled, or il_notify_closing was called; -EPERM: not in a task; -ENOMEM.
 */
IL_API int il_wait_readable(int fd);

/** @brief As il_wait_readable(), until fd can be written. */
IL_API int il_wait_writable(int fd);

/**
 * @brief As il_wait_readable(), until fd is ready for one of the directions in mask.
 * @return the ready directions (after an error or a hang-up all that were asked for); -EINVAL: an
 *         empty or unknown mask; otherwise as il_wait_readable.
 */
IL_API int il_wait_fd(int fd, unsigned mask);

/**
 * @brief Announces that fd is about to be closed: tasks that wait for it get -ECANCELED, and the
 * native loop stops watching it. Call it in the loop's thread before close().
 * @return 0, also when nobody waits; -EPERM: not in a loop's thread.
 */
IL_API int il_notify_closing(int fd);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
