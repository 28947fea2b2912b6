/**
 * @file fd.h
 * @brief Waiting for any descriptor that a foreign library gives you.
 *
 * In a forked child of the loop's process each function returns -ESHUTDOWN.
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
enum {
	IL_READABLE = 1u,
	IL_WRITABLE = 2u,
	/** In masks of il_wait_fd() only: urgent data of TCP, a change of a file in /sys or /proc,
	 * a terminal in packet mode (POLLPRI). Linux only; elsewhere -ENOTSUP. */
	IL_PRIORITY = 4u
};

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
 *         empty or unknown mask; -EBUSY: also a second task for IL_PRIORITY, or a descriptor that is
 *         watched for a callback (il_fd_watch_open()); -ENOTSUP: IL_PRIORITY on another system than
 *         Linux; -EMFILE, -ENFILE: no descriptor for IL_PRIORITY; otherwise as il_wait_readable.
 */
IL_API int il_wait_fd(int fd, unsigned mask);

/**
 * @brief Announces that fd is about to be closed: tasks that wait for it get -ECANCELED, a watch
 * (il_fd_watch_open()) calls no more, and the native loop stops watching it. Call it in the loop's
 * thread before close().
 * @return 0, also when nobody waits; -EPERM: not in a loop's thread.
 */
IL_API int il_notify_closing(int fd);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
