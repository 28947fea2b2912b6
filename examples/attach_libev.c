/*
 * attach_libev.c: an application that runs a libev loop already, with a timer and a signal
 * handler of its own, gets a server written for interloop. SIGINT ends it: first the tasks, then
 * the loop.
 */
#include "example.h"
#include "greeter.h"

#include <interloop/libev.h>

#include <ev.h>
#include <signal.h>
#include <stdio.h>

struct app {
	struct ev_loop *loop;
	ev_timer timer;
	ev_signal sigint;
	il_loop *tasks;
	int ticks;
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct app *app = timer->data;
	(void)loop, (void)events;
	app->ticks++;
}

/* [shutdown] */
static void on_empty(il_loop *tasks, void *arg) /* no task, portal or call is left */
{
	struct app *app = arg;
	printf("detached: %s\n", il_error_name(il_loop_detach(tasks)));
	ev_timer_stop(app->loop, &app->timer);
}

static void on_sigint(struct ev_loop *loop, ev_signal *sigint, int events)
{
	struct app *app = sigint->data;
	(void)events;
	ev_signal_stop(loop, sigint);
	il_loop_shutdown(app->tasks, on_empty, app);
}
/* [shutdown] */

/* [main] */
int main(int argc, char **argv)
{
	struct app app = {.loop = ev_loop_new(EVFLAG_AUTO)};
	example_options(argc, argv, "[--port NUMBER]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!app.loop)
		return 1;
	ev_timer_init(&app.timer, on_timer, 0.005, 0.005);
	ev_signal_init(&app.sigint, on_sigint, SIGINT);
	app.timer.data = app.sigint.data = &app;
	ev_timer_start(app.loop, &app.timer);
	ev_signal_start(app.loop, &app.sigint);

	int rc = il_libev_attach(&app.tasks, app.loop, NULL);
	if (rc < 0)
		return example_exit(rc);
	char *port = (char *)example_option(argc, argv, "--port", "0");
	rc = il_loop_spawn(app.tasks, NULL, greeter_serve, port);
	if (rc < 0)
		il_loop_shutdown(app.tasks, on_empty, &app);

	ev_run(app.loop, 0); /* the application's own loop, as before */
	printf("the application's timer ticked: %s\n", app.ticks > 0 ? "yes" : "no");
	printf("its loop closed: %s\n", ev_pending_count(app.loop) == 0 ? "yes" : "no");
	ev_loop_destroy(app.loop);
	return example_exit(rc);
}
/* [main] */
