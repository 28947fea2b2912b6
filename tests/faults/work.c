/*
 * work.c: what workloads share.
 */
#include "work.h"

#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run_report *run_report;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void work_odd(const char *format, ...)
{
	va_list arguments;

	pthread_mutex_lock(&lock);
	if (run_report->odd++ == 0) {
		va_start(arguments, format);
		vsnprintf(run_report->note, sizeof run_report->note, format, arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&lock);
}

static void note_code(int rc)
{
	char code[40];
	size_t used = strlen(run_report->codes);

	snprintf(code, sizeof code, "%s,", il_error_name(rc));
	if (!strstr(run_report->codes, code) && used + strlen(code) < sizeof run_report->codes)
		strcpy(run_report->codes + used, code);
}

int work_note(int rc, const char *call)
{
	if (rc >= 0)
		return rc;
	if (strcmp(il_error_name(rc), "unknown") == 0)
		work_odd("%s returned %d, which is no error", call, rc);
	pthread_mutex_lock(&lock);
	note_code(rc);
	pthread_mutex_unlock(&lock);
	return rc;
}

static atomic_bool removal_refused;

void work_log(int level, const char *message, void *arg)
{
	(void)arg;
	if (getenv(FAULT_TRACE))
		fprintf(stderr, "log %d: %s\n", level, message);
	if (strstr(message, "remove it by hand") && !strstr(message, "memory"))
		removal_refused = true;
}

void work_file_is_gone(const char *path)
{
	if (access(path, F_OK) < 0)
		return;
	if (!removal_refused)
		work_odd("the file of a socket was left behind: %s", path);
	removal_refused = false;
	unlink(path);
}

bool work_failed(void)
{
	struct fault_report report;

	fault_get_report(&report);
	return report.injected > 0;
}

/* ---- loops and tasks ---- */

static int in_time(void *fn)
{
	const il_time begun = il_now();
	int rc = il_fail_after(WORK_PATIENCE, *(il_fn **)fn, NULL);

	/* Not by the code alone: a function that was cancelled may return what it likes. */
	if (il_now() - begun >= WORK_PATIENCE)
		work_odd("a wake-up was lost: somebody still waits after 8 s");
	return rc;
}

/* It may be cancelled when the loop is closed. */
static int nap_beside(void *arg)
{
	(void)arg;
	il_sleep(IL_MSEC(1));
	return 0;
}

void work_in_loop(il_fn *fn)
{
	const il_loop_options options = {.shutdown_timeout = IL_SEC(2)};
	il_loop *loop;

	if (TRY(il_loop_open(&loop, work_backend(), &options)) < 0)
		return;
	TRY(il_loop_spawn(loop, NULL, nap_beside, NULL));
	TRY(il_loop_run(loop, in_time, &fn));
	MUST(il_loop_close(loop));
	il_loop_destroy(loop);
}

int work_briefly(il_fn *fn, void *arg)
{
	return TRY(il_move_on_after(IL_SEC(1), fn, arg));
}

void work_together(il_fn *const *tasks, size_t n, void *arg)
{
	il_group group;
	int rc = TRY(il_group_open(&group));

	if (rc < 0)
		return;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = TRY(il_group_start_soon(&group, NULL, tasks[i], arg));
	TRY(il_group_close(&group, rc));
}

/* ---- small functions ---- */

int work_three(void *arg)
{
	if (arg)
		++*(int *)arg;
	return 3;
}

int work_once(void *arg)
{
	(void)arg;
	run_report->called++;
	return 0;
}

int work_nap(void *arg)
{
	(void)arg;
	return TRY(il_sleep(IL_MSEC(1)));
}

int work_started(void *arg)
{
	(void)arg;
	TRY(il_task_started(7));
	return TRY(il_sleep(IL_MSEC(1)));
}

int work_entries(const char *path)
{
	DIR *folder = opendir(path);
	int n = 0;

	if (!folder)
		return -1;
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}
