/*
 * work.h: what the workloads are written with. A workload uses one area of the library as a program would, goes on after
 * any error, and knows what must be so whatever fails: results that came are right, each call is run once, all ends.
 */
#ifndef FAULTS_WORK_H
#define FAULTS_WORK_H

#include "fault.h"

#include <interloop.h>

#include <stdatomic.h>
#include <stdbool.h>

/* What a run tells the process that judges it, in memory that they share. */
struct run_report {
	atomic_int stage; /* 0: it runs; 1: it has ended; 2: it was looked at */
	struct fault_report faults;
	int descriptors, threads, children; /* left behind */
	atomic_int odd;                     /* rules that were broken; */
	char note[300];                     /* the first of them */
	atomic_long accepted, called; /* calls without a future: as many begin as were accepted */
	char codes[200];              /* the errors that were met */
};
extern struct run_report *run_report;

/* Loops of this executable are of this kind. */
const il_backend *work_backend(void);

/* Notes a code; returns it. */
int work_note(int rc, const char *call);
/* A rule is broken. */
void work_odd(const char *format, ...) IL_PRINTF(1, 2);

/* The socket's file must be gone, unless the log has told that the system refused to remove it. */
void work_file_is_gone(const char *path);
/* Keeps what workloads ask of the log. */
void work_log(int level, const char *message, void *arg);

/* Whether a call was made to fail by now. */
bool work_failed(void);

/* A call that may fail. */
#define TRY(call) work_note((call), #call)
/* One that may not, whatever fails: it gives back, or ends something. */
#define MUST(call)                                                                \
	do {                                                                      \
		int rc_ = TRY(call);                                              \
		if (rc_ < 0)                                                      \
			work_odd("%s returned %s: %s", #call, il_error_name(rc_), \
				 il_error_detail());                              \
	} while (0)
/* A result that came, if one came. */
#define RESULT(call, expected)                                  \
	do {                                                    \
		int rc_ = TRY(call);                            \
		if (rc_ >= 0 && rc_ != (expected))              \
			work_odd("%s returned %d", #call, rc_); \
	} while (0)

/* How long anything may take that does not wait for a time of its own. */
#define WORK_PATIENCE IL_SEC(8)

/* Runs fn as the main task of a loop, within WORK_PATIENCE. */
void work_in_loop(il_fn *fn);
/* Runs fn(arg) for at most a second: for a peer that may never answer. */
int work_briefly(il_fn *fn, void *arg);
/* Starts n tasks with one argument, and waits for them. */
void work_together(il_fn *const *tasks, size_t n, void *arg);

/* Small functions that several workloads call. */
int work_three(void *arg);   /* returns 3; if there is one, its int grows by one */
int work_once(void *arg);    /* counts: for calls without a future */
int work_nap(void *arg);     /* a task that sleeps for a millisecond */
int work_started(void *arg); /* a task that tells 7 */

/* Calls of all kinds, whose results must be right. */
void work_calls(il_executor *ex);

void work_tasks(void);
void work_select(void);
void work_threads(void);
void work_executor(void);
void work_portal(void);
void work_blocking_portal(void);
void work_pool(void);
void work_pool_plain(void);
void work_streams(void);
void work_files(void);
void work_resolver(void);
void work_server(void);
void work_server_thread(void);
void work_clients(void);
void work_tls(void);
void work_datagrams(void);
void work_udp_server(void);
void work_children(void);
void work_signals(void);
void work_adopted(void);

/* The handler of an echo, for lines; a client is greeted with "hi". */
extern const il_handler work_echo;
/* Three lines to an echo and back. arg: an il_stream. */
int work_talk(void *arg);
/* The entries of a folder, for differences: of /proc/self/fd, of /proc/self/task; -1: it cannot be read. */
int work_entries(const char *path);

#endif
