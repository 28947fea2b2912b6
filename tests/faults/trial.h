/*
 * trial.h: a workload, run once in a process of its own with one thing against it, and judged.
 */
#ifndef FAULTS_TRIAL_H
#define FAULTS_TRIAL_H

#include "work.h"

struct workload {
	const char *name;
	void (*run)(void);
	bool workers;      /* starts worker processes */
	const char *meets; /* the errors that it meets when nothing fails, each with a comma */
};
extern const struct workload workloads[];
extern const int workload_count;

struct trial {
	const struct workload *workload;
	struct fault_order order;
	bool in_worker;  /* the order is for worker processes */
	int descriptors; /* RLIMIT_NOFILE; 0: as it is */
	int storm;       /* microseconds between two signals; 0: none */
};

/* What the workload leaves behind when nothing fails. */
struct baseline {
	long calls[FAULT_KINDS_MAX], worker_calls[FAULT_KINDS_MAX];
	long live;
	int descriptors;
};

struct verdict {
	long injected;
	long calls; /* of the kind */
	bool bad;
};

/* Prints a line that begins with BAD, with the words to run it again, for each rule that is broken. */
struct verdict trial_run(const struct trial *t, const struct baseline *base);
/* Nothing fails: takes the measure. False: even so a rule is broken. */
bool trial_measure(const struct workload *w, struct baseline *base);

#endif
