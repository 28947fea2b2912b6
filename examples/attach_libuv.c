/*
 * attach_libuv.c: an application that runs a libuv loop already, with a timer and a signal
 * handler of its own, gets a server written for interloop. SIGINT ends it: first the tasks, then
 * the loop.
 */
#include "example.h"
#include "greeter.h"

#include <interloop/libuv.h>

#include <signal.h>
#include <stdio.h>
#include <uv.h>

struct app {
	uv_timer_t timer;
	uv_signal_t sigint;
	il_loop *tasks;
	int ticks;
};

static void on_timer(uv_timer_t *timer)
{
	struct app *app = timer->data;
	app->ticks++;
}

/* [shutdown] */
static void on_empty(il_loop *tasks, void *arg) /* no task, portal or call is left */
{
	struct app *app = arg;
	printf("detached: %s\n", il_error_name(il_loop_detach(tasks)));
	uv_close((uv_handle_t *)&app->timer, NULL);
	uv_close((uv_handle_t *)&app->sigint, NULL);
}

static void on_sigint(uv_signal_t *sigint, int number)
{
	struct app *app = sigint->data;
	(void)number;
	uv_signal_stop(sigint);
	il_loop_shutdown(app->tasks, on_empty, app);
}
/* [shutdown] */

/* [main] */
int main(int argc, char **argv)
{
	uv_loop_t loop;
	struct app app = {.ticks = 0};
	example_options(argc, argv, "[--port NUMBER]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (uv_loop_init(&loop) < 0)
		return 1;
	uv_timer_init(&loop, &app.timer);
	uv_signal_init(&loop, &app.sigint);
	app.timer.data = app.sigint.data = &app;
	uv_timer_start(&app.timer, on_timer, 5, 5);
	uv_signal_start(&app.sigint, on_sigint, SIGINT);

	int rc = il_libuv_attach(&app.tasks, &loop, NULL);
	if (rc < 0)
		return example_exit(rc);
	char *port = (char *)example_option(argc, argv, "--port", "0");
	rc = il_loop_spawn(app.tasks, NULL, greeter_serve, port);
	if (rc < 0)
		il_loop_shutdown(app.tasks, on_empty, &app);

	uv_run(&loop, UV_RUN_DEFAULT); /* the application's own loop, as before */
	printf("the application's timer ticked: %s\n", app.ticks > 0 ? "yes" : "no");
	printf("its loop closed: %s\n", uv_loop_close(&loop) == 0 ? "yes" : "no");
	return example_exit(rc);
}
/* [main] */
