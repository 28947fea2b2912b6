/*
 * job_server.h: a job server on a host of the simulated network: of gearmand what pools and worker programs use of it, without the
 * persistence and the priorities. A power cut forgets all.
 */
#ifndef IL_TESTS_EXPLORE_JOB_SERVER_H
#define IL_TESTS_EXPLORE_JOB_SERVER_H

#include "explore.h"

struct job_server {
	int retries;               /* workers that a job may be lost with, as --job-retries */
	bool mute;                 /* it hangs where an administrator asks */
	bool unable;               /* it takes no job back */
	bool deaf;                 /* it reads nothing more of those who have submitted jobs */
	struct job *first, **last; /* in the order of their coming */
	struct peer *peers;        /* who is connected */
	unsigned handles;          /* given so far; anew after a restart, as its own */
};

/* The host's main function; its argument is a struct job_server. */
il_fn job_server_run;

/* Jobs that no worker has. */
int job_server_queued(const struct job_server *s);

#endif
