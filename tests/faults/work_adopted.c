/*
 * work_adopted.c: a loop of the program's own that the library is put on, and leaves as it was found.
 */
#include "../conformance/harness.h"
#include "work.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static struct {
	il_loop *loop;
	bool empty;
} w;

const il_backend *work_backend(void)
{
	return il_native.backend();
}

/* What the harness of the native loop says. */
void il_test_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;
	char text[200];

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	work_odd("%s:%d: %s", file, line, text);
}

void il_test_eq(const char *file, int line, const char *what, intmax_t value, intmax_t expected)
{
	if (value != expected)
		work_odd("%s:%d: %s is %jd, not %jd", file, line, what, value, expected);
}

static void on_empty(il_loop *loop, void *arg)
{
	(void)arg;
	w.empty = true;
	MUST(il_loop_detach(loop));
}

static int guest_main(void *arg)
{
	il_stream *a, *b;
	int rc = -EAGAIN;

	(void)arg;
	TRY(il_sleep(IL_MSEC(1)));
	if (TRY(il_stream_pair(&a, &b)) == 0) {
		il_stream_destroy(a);
		il_stream_destroy(b);
	}
	RESULT(il_run_in_thread(work_three, NULL), 3);
	/* It may have no memory for a watch that the host's loop needs once more. */
	for (int i = 0; i < 10 && (rc = TRY(il_loop_shutdown(w.loop, on_empty, NULL))) < 0; i++)
		il_sleep(IL_MSEC(1));
	if (rc < 0)
		work_odd("il_loop_shutdown never works: %s", il_error_detail());
	return 0;
}

/* Whatever the limit is: how the host makes its loop is not our concern. */
static void *host_loop(void)
{
	struct rlimit limit, whole;
	void *native;

	getrlimit(RLIMIT_NOFILE, &limit);
	whole = (struct rlimit){limit.rlim_max, limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &whole);
	native = il_native.create();
	setrlimit(RLIMIT_NOFILE, &limit);
	return native;
}

void work_adopted(void)
{
	void *native = host_loop();

	memset(&w, 0, sizeof w); /* it may run many times */
	if (!native)
		return;
	if (TRY(il_native.attach(&w.loop, native, NULL)) == 0) {
		if (TRY(il_loop_spawn(w.loop, NULL, guest_main, NULL)) == 0) {
			il_native.run(native);
			if (!w.empty)
				work_odd("the host's loop ended before ours");
		} else {
			MUST(il_loop_detach(w.loop));
		}
		il_native.run(native);
	}
	if (il_native.destroy(native) < 0)
		work_odd("something of ours is left in the host's loop");
}

void il_test_rc(const char *file, int line, const char *what, int rc, int expected)
{
	il_test_eq(file, line, what, rc, expected);
}
