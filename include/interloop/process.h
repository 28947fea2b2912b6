/**
 * @file process.h
 * @brief Child processes: other programs, their standard streams, and their end. The semantics are
 * those of AnyIO's open_process and run_process. (process_pool.h has pools of processes that run
 * your functions.)
 *
 * A child is started with no signal blocked and every disposition at its default. Its end is
 * noticed through a pidfd where the system has them, else by a thread that waits for this one
 * child. So there is no SIGCHLD handler, and children that you start yourself are left alone.
 *
 * A program that ignores SIGCHLD, or reaps whatever child it finds (as libev's default loop does),
 * loses no exit status on Linux 6.15 and later. On older systems it gets -ECHILD where the status
 * should be.
 *
 * Unless stated otherwise a function returns -EINVAL for NULL, -EPERM outside the loop's thread
 * (waiting calls: outside a task) and -ESHUTDOWN in a forked child or when the loop was closed.
 */
#ifndef INTERLOOP_PROCESS_H
#define INTERLOOP_PROCESS_H

#include <interloop/base.h>
#include <interloop/process_pool.h>
#include <interloop/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @defgroup process Child processes
 * @{
 */

/** A child process. */
typedef struct il_process il_process;

/** What a child's standard descriptor is: one of these, or the number of a descriptor of yours
 * above 0, which stays yours. */
enum {
	IL_STDIO_DEFAULT = 0, /**< il_process_spawn(): yours; il_process_run(): see there. */
	/** A pipe: il_process_stdin(), il_process_stdout(), il_process_stderr(). */
	IL_STDIO_PIPE = -1,
	IL_STDIO_NULL = -2,    /**< /dev/null. */
	IL_STDIO_INHERIT = -3, /**< Yours, also if it is close-on-exec. */
	IL_STDIO_STDOUT = -4   /**< Of errors only: wherever output goes. */
};

/** Options of il_process_spawn() and il_process_run(); zero means the default everywhere. */
typedef struct il_process_options {
	/** The program; NULL: argv[0]. Without a slash it is searched in the PATH of environment,
	 * that is, the one that it will have; without a PATH there in /bin and /usr/bin. */
	const char *file;
	/** Its working directory; a relative file is found from there. NULL: yours. Where
	 * posix_spawn cannot change the directory a shell changes it, and argv[0] is file. */
	const char *directory;
	char *const *environment; /**< "NAME=value" strings, ends in NULL; NULL: yours. */
	int input;                /**< Its stdin: IL_STDIO_. */
	int output;               /**< Its stdout. */
	int errors;               /**< Its stderr. */
	/** Makes it the leader of a session, and so of a group, without a terminal. */
	bool new_session;
	bool new_group;        /**< Makes it the leader of a process group. */
	bool keep_descriptors; /**< Leaves it those of yours that are not close-on-exec. */
	/** il_process_run(): most bytes of each stream; more: -EMSGSIZE. Default: 0, no limit. */
	size_t output_limit;
	/** With new_group, new_session or a terminal: il_process_kill(), il_process_terminate(),
	 * il_process_close(), il_process_destroy() and an il_process_run() that fails or is cancelled
	 * reach all of its group, and the first two also once the child itself has ended.
	 * So that its number, which is the group's, stays its own, an ended child is a zombie until
	 * it is destroyed. Without a group of its own: -EINVAL. */
	bool kill_group;
	/** Not 0: it gets a terminal of so many rows as its controlling terminal, in a session of
	 * its own; IL_STDIO_DEFAULT is that terminal. Our side is il_process_terminal(). Not for
	 * il_process_run(). */
	unsigned short terminal_rows;
	unsigned short terminal_columns; /**< Columns of the terminal; both or none. */
	void *reserved[7];               /**< Zero. */
} il_process_options;

/** Added to a signal's number where a signal killed it: 265 is SIGKILL. An exit status is below it.
 */
#define IL_PROCESS_SIGNALED 256

/**
 * @brief Starts a program. In the loop's thread; never waits but for the system to start it.
 * @param process  receives the child; the caller destroys it with il_process_destroy().
 * @param argv     its arguments, its name first, ends in NULL. Copied, as are the options.
 * @param options  NULL: the defaults.
 * @return 0; -ENOENT, -EACCES, -ENOEXEC, -E2BIG, -ENOTDIR: from exec or chdir; -EBADF: a descriptor
 *         that is not open; -EINVAL: no argument, an unknown IL_STDIO_, kill_group without a group,
 *         or half a terminal; -ENOTSUP: no sessions on
 *         this system; -EMFILE, -ENFILE, -ENOMEM. After an error no program has run, and nothing is
 *         left open; il_error_detail() names the program, and the reason in the system's words.
 */
IL_MUST_CHECK IL_API int il_process_spawn(il_process **process, char *const *argv,
					  const il_process_options *options);

/**
 * @brief Waits for the child's end, also while other processes hold its streams. A cancellation
 * point, which does not touch the child.
 *
 * Several tasks may wait. If the child has ended already it may be called outside a task. Virtual
 * time does not pause while waiting for a child.
 * @return its exit status; IL_PROCESS_SIGNALED + the signal that killed it; -ECANCELED; -ECHILD: it
 *         has ended, but somebody else has reaped it, and the system does not keep how.
 */
IL_API int il_process_wait(il_process *process);

/** @brief As il_process_wait(), but never waits, in a task or not; -EAGAIN: it has not ended. */
IL_API int il_process_returncode(il_process *process);

/**
 * @brief Sends it a signal. Never waits. Where the system has pidfds it is never sent to another
 * process that has its number by now; elsewhere it may be, but only if somebody else has reaped the
 * child.
 * @return 0, also if it has ended; -EINVAL: no such signal; -EPERM: also if it has become another
 *         user's.
 */
IL_API int il_process_send_signal(il_process *process, int number);

/** @brief Sends SIGTERM, as il_process_send_signal(): asks it to end. */
IL_API int il_process_terminate(il_process *process);

/** @brief Sends SIGKILL, as il_process_send_signal(): ends it. */
IL_API int il_process_kill(il_process *process);

/** @brief Returns its process number, also after its end, when another process may have it. Any
 * thread. */
IL_API int il_process_pid(const il_process *process);

/** @brief Returns our end of its stdin, for writing; il_stream_close() ends its input. It belongs
 * to the process: do not destroy it. NULL: no pipe. */
IL_API il_stream *il_process_stdin(const il_process *process);
/** @brief Returns our end of its stdout, for reading. It belongs to the process. NULL: no pipe. */
IL_API il_stream *il_process_stdout(const il_process *process);
/** @brief Returns our end of its stderr, for reading. It belongs to the process. NULL: no pipe. */
IL_API il_stream *il_process_stderr(const il_process *process);

/** @brief Returns our side of its terminal, a stream for reading and writing; what it writes comes
 * with "\r\n", and what is written is echoed, unless it has turned that off. Reading returns 0 once
 * nobody has the terminal open any more. Closing it hangs up: the child gets SIGHUP. It belongs to
 * the process. NULL: no terminal. */
IL_API il_stream *il_process_terminal(const il_process *process);

/**
 * @brief Closes the pipes and the terminal (which ends many programs), and waits for its end. In a
 * cancelled scope, or cancelled meanwhile, it kills the child and waits shielded: when this returns
 * there is no child any more.
 * @return as il_process_wait(); -ECANCELED: what still ran was killed; -EPERM: it may not be killed, and lives.
 */
IL_API int il_process_close(il_process *process);

/**
 * @brief Closes the pipes, kills the child if it lives, reaps it, and frees. In a task it waits for
 * that, shielded; elsewhere, also after the loop was closed, it blocks for the moment that a killed
 * process takes to end. Tasks that wait for the child are woken with its result. NULL is allowed.
 * In a forked child it only frees. In another thread than the loop's it stops the program with a
 * sentence.
 *
 * A child that may not be killed, because it has become another user's, is left alone and a warning
 * is logged. Tasks that wait for it get -EBADF. The library does not reap it: once it has ended it
 * stays a zombie until your program ends, or reaps it with waitpid.
 */
IL_API void il_process_destroy(il_process *process);

/** What il_process_run() has collected. */
typedef struct il_process_result {
	char *output;       /**< Its stdout, with a NUL after it; NULL: not collected. */
	size_t output_size; /**< Bytes of it. */
	char *errors;       /**< Likewise its stderr. */
	size_t errors_size; /**< Bytes of it. */
	void *reserved[4];  /**< Zero. */
} il_process_result;

/**
 * @brief Runs a program to its end and collects what it writes, until the last process that holds
 * its streams has closed them. Waits; a cancellation point: cancelled, it kills and reaps the
 * child.
 * @param result   receives what was collected; the caller frees it with il_process_result_clear().
 *                 NULL: its output goes where yours goes unless options say otherwise. Else output
 *                 and errors are collected by default.
 * @param input    size bytes for its stdin. It need not read them. Without any its stdin is by
 *                 default /dev/null.
 * @param options  NULL: the defaults.
 * @return as il_process_wait(); -EMSGSIZE: it wrote more than output_limit, and was killed;
 *         -EINVAL: also input for a stdin that is no pipe; -ENOMEM; errors of il_process_spawn.
 *         When negative result is empty.
 */
IL_API int il_process_run(il_process_result *result, char *const *argv, const void *input,
			  size_t size, const il_process_options *options);

/** @brief Frees what was collected. Any thread; a cleared or zeroed one may be cleared. */
IL_API void il_process_result_clear(il_process_result *result);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
