/*
 * server_state.c: what the files of a server share: whether it may be called, how its main task waits for a
 * change and is told of one, and how much may be said about its clients. Loop's thread only.
 */
#include "../base/error.h"
#include "../base/report.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "server.h"

#include <interloop/event.h>

int il__server_check(const il_server *s, const char *function)
{
	if (!s)
		return il__refuse(-EINVAL, "%s: the server is NULL", function);
	return il__loop_check_thread(s->loop, function);
}

/* ---- main waits for a change ---- */

static void serve_tell(struct il__report *r, const il_task *task)
{
	const il_server *s = task->waiter.arg;

	il__report(r, "its end; %zu clients", s->client_count);
}

static const struct il__wait serve_wait = {"il_server_serve", serve_tell};

int il__server_wait(il_server *s, bool shielded, il_time deadline)
{
	int rc = shielded ? 0 : il__task_check(s->main);

	if (rc < 0)
		return rc;
	s->waits = true;
	rc = shielded ? il__task_park(s->main, NULL, s, &serve_wait)
		      : il__task_park_until(s->main, il__abort_freely, s, &serve_wait, deadline);
	s->waits = false;
	return rc;
}

void il__server_poke(il_server *s)
{
	if (!s->waits)
		return;
	s->waits = false;
	il__task_wake(s->main, 0);
}

void il__server_stop(il_server *s)
{
	s->stopping = true;
	il_event_set(s->stop);
	il__queue_wake_all(&s->want_room, 0);
	il__server_poke(s);
}

/* ---- a server goes on when the system lacks something ---- */

#define RETRY_DELAY IL_MSEC(100)

/* Without memory even for a timer, when others have run. */
int il__server_pause(void)
{
	int rc = il_sleep(RETRY_DELAY);

	return rc == -ENOMEM ? il_yield() : rc;
}

/* ---- the log ---- */

enum { LINES = 100 }; /* in a second: more would fill the log and serve nobody */

void il__server_log_left_out(il_server *s)
{
	if (s->logged > LINES)
		il__log(IL_LOG_WARNING, "the server left out %u lines like these about clients",
			s->logged - LINES);
	s->logged = 0;
}

bool il__server_may_log(il_server *s)
{
	il_time now = il__loop_now(s->loop);

	if (now - s->logged_since >= IL_SEC(1)) {
		il__server_log_left_out(s);
		s->logged_since = now;
	}
	return ++s->logged <= LINES;
}
