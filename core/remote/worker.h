/*
 * worker.h: a worker program's side, by who does what. All are tasks of one loop.
 *
 *   worker.c         the options, the tasks of all servers, the drain
 *   worker_link.c    a connection to one server: asking for jobs, signs of life
 *   worker_job.c     a job: taken, waiting for a slot, run, answered
 *
 * Slots are the worker's, not a connection's: taken jobs and questions on their way are never more than slots and prefetch.
 */
#ifndef IL_CORE_REMOTE_WORKER_H
#define IL_CORE_REMOTE_WORKER_H

#include "envelope.h"
#include "gearman.h"
#include "list.h"

#include <interloop/remote.h>

struct il__remote_link;

struct il__remote_job {
	struct il__remote_node news;       /* first; of its link's, until the server is told */
	struct il__remote_job *next, **at; /* of its link's jobs */
	struct il__remote_job *queued;     /* the next that waits for a slot */
	struct il__remote_link *link;
	uint64_t life;
	struct il__remote_packet packet;
	const char *handle, *name;
	struct il__remote_call call;
	il_time too_old; /* it is not begun from then on */
	int refused;     /* why it is not run; 0: it is */
	char words[240]; /* of the refusal */
	bool in_slot;
	bool runs;
	il_time since; /* it runs, or waits */
};

struct il__remote_worker {
	il_remote_worker_options options;
	bool owns_executor;
	il_group links_group, jobs_group;
	int running; /* at most `slots` */
	int taken;   /* jobs, and questions without a reply: at most slots and prefetch */
	int jobs;
	bool brief;                                /* the last call was */
	struct il__remote_job *queue, **queue_end; /* jobs that wait for a slot */
	size_t asked;                              /* the server that was asked last */
	bool draining;
	il_semaphore *changed; /* one permit: a job has ended, a server has replied or is lost */
	size_t server_count;
	struct il__remote_link {
		struct il__remote_worker *worker;
		const char *server;
		struct il__remote_connection connection;
		struct il__remote_job *jobs;
		/* those of this connection of which no sign has told that they wait, or run: the oldest first */
		struct il__remote_list waiting, begun;
		il_semaphore *news; /* one permit: a job has begun, or waits */
		int questions;      /* GRAB_JOB without a reply */
		int window;      /* questions at most: one more with each job, one after a sleep */
		bool up;         /* connected, and the server knows its names */
		bool empty;      /* the last reply was that there is no job */
		bool asleep;     /* the server says when there is one, or tells another worker */
		unsigned echoes; /* the drain's, without a reply */
		uint64_t
		    life; /* of the connection: an answer goes to the one that brought the job */
	} links[];
};

/* Asks servers in turn for jobs, as many as may be taken. A connection that fails is noticed by its reader. */
void il__remote_ask(struct il__remote_worker *w);
/* A task: one server, again and again until the drain. */
int il__remote_serve_link(void *link);
/* Replied to after all that was sent before. */
int il__remote_send_echo(struct il__remote_link *l);
/* Takes the packet over. */
int il__remote_on_job(struct il__remote_link *l, struct il__remote_packet *p);
/* Those for which there are slots, and memory. */
void il__remote_start_queued(struct il__remote_worker *w);
/* A call has ended with this. Too many dead processes in a row break a process pool for good: before, the worker has a new one. */
void il__remote_judge_executor(struct il__remote_worker *w, int rc);
/* Those that were never begun: the drain's time was up. */
void il__remote_drop_jobs(struct il__remote_link *l);
/* Never waits. */
int il__remote_send_sign(struct il__remote_job *job);
void il__remote_wake(struct il__remote_worker *w);

#endif
