/*
 * attach_libevent.c: an application that runs a libevent loop already, with a timer and a signal
 * handler of its own, gets a server written for interloop. SIGINT ends it: first the tasks, then
 * the loop.
 */
#include "example.h"
#include "greeter.h"

#include <interloop/libevent.h>

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

struct app {
	struct event *timer, *sigint;
	il_loop *tasks;
	int ticks;
};

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct app *app = arg;
	(void)fd, (void)events;
	app->ticks++;
}

/* [shutdown] */
static void on_empty(il_loop *tasks, void *arg) /* no task, portal or call is left */
{
	struct app *app = arg;
	printf("detached: %s\n", il_error_name(il_loop_detach(tasks)));
	event_free(app->timer);
}

static void on_sigint(evutil_socket_t number, short events, void *arg)
{
	struct app *app = arg;
	(void)number, (void)events;
	event_free(app->sigint);
	il_loop_shutdown(app->tasks, on_empty, app);
}
/* [shutdown] */

/* [main] */
int main(int argc, char **argv)
{
	struct app app = {.ticks = 0};
	struct event_base *base = event_base_new();
	example_options(argc, argv, "[--port NUMBER]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!base)
		return 1;
	app.timer = event_new(base, -1, EV_PERSIST, on_timer, &app);
	app.sigint = evsignal_new(base, SIGINT, on_sigint, &app);
	event_add(app.timer, &(struct timeval){0, 5000});
	event_add(app.sigint, NULL);

	int rc = il_libevent_attach(&app.tasks, base, NULL);
	if (rc < 0)
		return example_exit(rc);
	char *port = (char *)example_option(argc, argv, "--port", "0");
	rc = il_loop_spawn(app.tasks, NULL, greeter_serve, port);
	if (rc < 0)
		il_loop_shutdown(app.tasks, on_empty, &app);

	event_base_dispatch(base); /* the application's own loop, as before */
	printf("the application's timer ticked: %s\n", app.ticks > 0 ? "yes" : "no");
	printf("its loop closed: %s\n",
	       event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0 ? "yes" : "no");
	event_base_free(base);
	return example_exit(rc);
}
/* [main] */
