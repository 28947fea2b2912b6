/**
 * @file file.h
 * @brief Files: calls that wait in the loop's thread pool while the loop goes on, as AnyIO's
 * open_file.
 *
 * A disk has no readiness to wait for: the system call itself blocks. So each of these calls is one
 * il_run_in_thread(), a hand-over of some ten microseconds: read and write in pieces of 64 KiB and
 * more rather than in lines. il_stream_send_file() sends a file without copying it.
 *
 *     il_file *f;
 *     int n, rc = il_file_open(&f, "log", O_RDONLY, 0);
 *
 *     if (rc < 0)
 *             return rc;
 *     while ((n = il_file_read(f, data, sizeof data, -1)) > 0)
 *             use(data, n);
 *     rc = il_file_close(f);
 *     il_file_destroy(f);
 *     return n < 0 ? n : rc;
 *
 * A file belongs to the thread of its loop, and several tasks may use it at the same time. Each call
 * waits, in a task, and is a cancellation point until its thread has begun; from then on it is waited
 * for and its result is returned. Unless stated otherwise a function returns -EINVAL for NULL,
 * -EPERM in another thread or outside a task, -ESHUTDOWN in a forked child, -EBADF for a closed
 * file, -ECANCELED (nothing was done), -ENOMEM (no thread could be made), and otherwise the
 * system's error; only other codes are listed below.
 */
#ifndef INTERLOOP_FILE_H
#define INTERLOOP_FILE_H

#include <interloop/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup file Files
 * @{
 */

/** An open file. */
typedef struct il_file il_file;

/**
 * @brief Opens a file.
 * @param file   stores the file; the caller destroys it with il_file_destroy().
 * @param path   copied nowhere: must stay valid until the call returns.
 * @param flags  as for open(2); O_CLOEXEC is added.
 * @param mode   permissions of a new file, with O_CREAT.
 * @return 0; -ENOENT, -EACCES, -EISDIR, -EMFILE and the like from the system.
 */
IL_MUST_CHECK IL_API int il_file_open(il_file **file, const char *path, int flags, unsigned mode);

/**
 * @brief Reads up to max bytes.
 * @param max     1 or more; at most INT_MAX bytes are read.
 * @param offset  from the begin of the file; -1: where the file stands, which moves on.
 * @return how many, fewer than max only at the end or where the file is no regular one; 0: the end;
 *         -EINVAL: an offset below -1, no room.
 */
IL_MUST_CHECK IL_API int il_file_read(il_file *file, void *data, size_t max, int64_t offset);

/**
 * @brief Writes all of the data.
 * @param size    up to INT_MAX.
 * @param offset  from the begin of the file; -1: where the file stands, which moves on; with
 *                O_APPEND always the end.
 * @return size; -ENOSPC, -EDQUOT, -EFBIG and the like: part of it may be written; -EINVAL: an
 *         offset below -1, or too large a size.
 */
IL_MUST_CHECK IL_API int il_file_write(il_file *file, const void *data, size_t size,
				       int64_t offset);

/** @brief Waits until what was written is on the disk (fsync). 0, or why it is not. */
IL_MUST_CHECK IL_API int il_file_sync(il_file *file);

/** @brief Returns the descriptor, for fstat(2) and il_stream_send_file(); it remains the file's. Never
 * waits; not refused outside a task, in another thread or in a forked child. */
IL_API int il_file_fd(const il_file *file);

/**
 * @brief Closes. Waits shielded, so it works in a cancelled scope too. Idempotent.
 * @return 0; -EBUSY: a call of another task is under way, and nothing has changed; the system's
 *         error, which may be that of an earlier write (-EIO, -ENOSPC, -EDQUOT on network file
 *         systems): the file is closed all the same.
 */
IL_API int il_file_close(il_file *file);

/**
 * @brief Closes a file that is open, without waiting in a thread, and frees it. NULL is allowed;
 * also after the loop was closed, which closes its files. In another thread than the loop's, or
 * while a call is under way, it stops the program with a sentence.
 */
IL_API void il_file_destroy(il_file *file);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
