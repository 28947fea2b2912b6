/*
 * work_select.c: a task that takes whatever happens first.
 */
#include "work.h"

#include <string.h>
#include <unistd.h>

static struct {
	il_semaphore *semaphore;
	il_event *event;
	il_sender *sender;
	il_receiver *receiver;
} w;

static int feed(void *fd)
{
	int item = 5;

	TRY(il_sleep(IL_MSEC(1)));
	TRY(il_channel_send_nowait(w.sender, &item));
	TRY(il_sleep(IL_MSEC(1)));
	(void)!write(*(int *)fd, "x", 1);
	TRY(il_event_set(w.event));
	return 0;
}

/* Takes what happens until the event has. */
static int collect(void *fd)
{
	int item = 0, rc = 0;

	for (int rounds = 0; rounds < 10 && rc >= 0 && rc != 2; rounds++) {
		char byte;
		il_case cases[] = {
		    il_case_receive(w.receiver, &item),
		    il_case_fd(*(int *)fd, IL_READABLE),
		    il_case_event(w.event),
		    il_case_semaphore(w.semaphore),
		};
		rc = TRY(il_select(cases, 4, WORK_PATIENCE / 2));
		if (rc == 0 && cases[0].rc == 1 && item != 5)
			work_odd("a select received %d", item);
		if (rc == 1)
			(void)!read(*(int *)fd, &byte, 1);
		if (rc == 3)
			MUST(il_semaphore_release(w.semaphore));
	}
	return 0;
}

static int select_main(void *arg)
{
	int fds[2];
	il_group group;

	(void)arg;
	if (pipe(fds) < 0)
		return 0;
	if (TRY(il_channel_create(&w.sender, &w.receiver, sizeof(int), 2)) == 0 &&
	    TRY(il_event_create(&w.event)) == 0 &&
	    TRY(il_semaphore_create(&w.semaphore, 0, 1)) == 0 && TRY(il_group_open(&group)) == 0) {
		int rc = TRY(il_group_start_soon(&group, NULL, feed, &fds[1]));
		if (rc == 0)
			rc = TRY(il_group_start_soon(&group, NULL, collect, &fds[0]));
		TRY(il_group_close(&group, rc));
	}
	il_semaphore_destroy(w.semaphore);
	il_event_destroy(w.event);
	il_sender_destroy(w.sender);
	il_receiver_destroy(w.receiver);
	TRY(il_notify_closing(fds[0]));
	close(fds[0]);
	close(fds[1]);
	return 0;
}

void work_select(void)
{
	memset(&w, 0, sizeof w); /* it may run many times */
	work_in_loop(select_main);
}
