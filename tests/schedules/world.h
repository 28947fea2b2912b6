/*
 * world.h: what the tasks of a program share, what is known of it, and what must always hold. One thread, one program
 * at a time.
 */
#ifndef SCHEDULES_WORLD_H
#define SCHEDULES_WORLD_H

#include "program.h"

enum { ITEMS_MAX = 1024, CHILDREN_MAX = 5 };

/* What happened to an item. */
enum { OFFERED = 1, ACCEPTED = 2, REFUSED = 4, RECEIVED = 8 };

struct world {
	const struct program *program;
	il_lock *lock, *condition_lock;
	il_condition *condition;
	il_semaphore *semaphore;
	il_limiter *limiter;
	il_event *event;
	il_sender *sender;
	il_receiver *receiver;
	il_future *future;
	il_scope *scopes[SLOTS]; /* that other tasks may cancel */
	il_future *tasks[SLOTS]; /* likewise */
	int lock_holders, condition_holders, permits;
	il_time lock_released; /* when it was last */
	int items;             /* numbered from 0 */
	uint8_t item[ITEMS_MAX];
	il_time item_offered[ITEMS_MAX];
	int tasks_begun, tasks_ended;
	long steps;
};

extern struct world world;

/* A rule is broken: prints it and ends the process. */
void broken(const char *format, ...) IL_PRINTF(1, 2) __attribute__((noreturn));

void world_open(const struct program *p);
void world_close(void);

/* What holds between any two steps: nobody waits for what is free. */
void world_check(void);

/* What the result of a waiting call must be like; returns rc. */
int check_wait(int rc, const char *call);

/* The last look, after all tasks have ended. */
void world_check_end(void);

/* ---- items of the channel ---- */

int item_offer(void); /* a new one; -1: there are enough */
void item_sent(int item, int rc);
void item_received(int item, il_time since);

/* ---- steps ---- */

struct place {
	const struct step *step; /* whose inside is run */
	bool holds; /* the task, or one above it, holds something that others wait for */
};

/* Runs what is inside of a step; a negative code ends it. */
int run_inside(const struct place *at);
int run_one(const struct place *at);

int step_channel(const struct step *s);
int step_select(const struct step *s, const struct place *at);
int step_scope(const struct step *s, const struct place *at);
int step_group(const struct step *s, const struct place *at);
int step_many(const struct step *s);
int step_hold(const struct step *s, const struct place *at);
int step_condition(const struct step *s);
int step_future(const struct step *s);

/* A task's function: arg is a struct place. */
int task_run(void *arg);

#endif
