/*
 * os_process.h: child processes. Any thread, one at a time for one child.
 */
#ifndef IL_CORE_BASE_OS_PROCESS_H
#define IL_CORE_BASE_OS_PROCESS_H

#include "base.h"

#include <signal.h>

/* Both ends close-on-exec, blocking, and never a standard descriptor, also where those are closed. */
int il__os_pipe(int fd[2]);
int il__os_above_stdio(int *fd); /* moves it up there */

enum { IL__OS_INHERIT = -1, IL__OS_NULL = -2, IL__OS_SPAWN_FDS = 6 };

struct il__os_spawn {
	const char *file;
	char *const *argv, *const *environment;
	const char *directory; /* NULL: ours */
	int fds
	    [IL__OS_SPAWN_FDS]; /* which becomes 0, 1, ... there: ours, IL__OS_INHERIT, IL__OS_NULL */
	int count;
	bool search;         /* file is looked for in the PATH of environment */
	bool keep_others;    /* leave what is not close-on-exec open */
	bool session, group; /* make it the leader of one; a session has a group */
	const char *
	    terminal; /* of a session: its controlling terminal's name; one of fds is not inherited */
};

/* 0 or why there is no such process, the errors of exec included. The handle stays this process, whoever
 * reaps it, and is the caller's to close; -1: there are none here. */
int il__os_spawn(pid_t *pid, int *handle, const struct il__os_spawn *spawn);
int il__os_process_open(pid_t pid); /* such a handle of a child that lives */
/* Never to a process that has got its number since, if there is a handle or nobody has reaped it. */
int il__os_process_signal(int handle, pid_t pid, int number);
/* Of a child of ours, once: how it ended. -EAGAIN: it has not, and !wait; -ECHILD: somebody else has reaped
 * it, and the system does not keep how. */
int il__os_process_reap(int handle, pid_t pid, bool wait, siginfo_t *info);

/* How a child of ours ended that has: it stays to be reaped. -ECHILD: somebody else has reaped it. */
int il__os_process_look(int handle, pid_t pid, siginfo_t *info);

/* A terminal: our side, non-blocking, and the other, whose name is stored; both close-on-exec. */
enum { IL__OS_TERMINAL_NAME = 64 };
int il__os_terminal_open(int *ours, int *theirs, char name[IL__OS_TERMINAL_NAME],
			 unsigned short rows, unsigned short columns);

/* Of a process that lives, what it runs: the system's word for it; "" where it has none. */
void il__os_process_name(pid_t pid, char name[16]);

/* Kills this process then, by SIGKILL where the system can: no function meets that. */
void il__os_end_after(int seconds);

/* A child of ours, and what tells its end. */
struct il__os_child {
	pid_t pid;
	int handle; /* as above */
	int fd;     /* readable once it has ended */
	pthread_t thread;
	bool threaded; /* the thread tells fd, which is no handle then */
};

/* Starts one. After an error, of whatever it needs, there was none. */
int il__os_child_spawn(struct il__os_child *child, const struct il__os_spawn *spawn);
bool il__os_child_ended(const struct il__os_child *child, bool wait);
/* Of one that has ended: il__os_process_look; and once: il__os_process_reap. */
int il__os_child_look(const struct il__os_child *child, siginfo_t *info);
int il__os_child_reap(struct il__os_child *child, siginfo_t *info);
void il__os_child_close(struct il__os_child *child);

#endif
