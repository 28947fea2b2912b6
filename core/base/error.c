/*
 * error.c: results in words, and the log. The detail of the last refusal is kept per thread, and per task; the log
 * function may be swapped at any time by any thread, so both of its words are read under one lock.
 */
#include "error.h"
#include "base.h"
#include "escape.h"
#include "fork.h"
#include "guard.h"
#include "memory.h"
#include "os.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct code {
	int rc;
	const char *sentence;
};

/* What these codes mean when the library returns them; all others are the system's. */
static const struct code codes[] = {
    {-ECANCELED, "the surrounding scope, the task or the future was cancelled"},
    {-ETIMEDOUT, "the timeout or deadline passed"},
    {-EPERM, "called from the wrong thread, or waited in a place that may not wait"},
    {-EDEADLK, "the call would wait for itself forever"},
    {-ESHUTDOWN, "it is closed to new work, or was inherited across fork"},
    {-EBUSY, "somebody else already waits there, or it is still in use"},
    {-EAGAIN, "the queue is full, or it would have to wait"},
    {-EINVAL, "an argument is out of range"},
    {-ENOTSUP, "not possible on this system"},
    {-EALREADY, "it has happened already, or is out of order"},
    {-EPROTO, "the other side broke the protocol, or a task ended without il_task_started"},
    {-EBADF, "this end is closed"},
    {-EPIPE, "the other end is gone"},
    {-ENODATA, "the stream ended inside what was to be received"},
    {-EINTR, "SIGINT ended it"},
    {-EOWNERDEAD, "the worker process, or the owner of the lock, died"},
    {-ENOTRECOVERABLE, "the executor is broken"},
    {-EBADMSG, "the bytes are not a valid packet"},
    {-EMSGSIZE, "the packet is larger than the limit"},
    {-ENOENT, "no backend, function, host or file of that name"},
};

static const struct code *find_code(int rc)
{
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].rc == rc)
			return &codes[i];
	return NULL;
}

const char *il_version(void)
{
#define TEXT(x)          #x
#define VERSION(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
	return VERSION(IL_VERSION_MAJOR, IL_VERSION_MINOR, IL_VERSION_PATCH);
}

/* glibc's strerror keeps its own text for each known number: static. */
static const char *system_text(int rc)
{
	return strerror(rc < -INT_MAX ? INT_MAX : -rc);
}

static const char *lack_advice(int rc)
{
	switch (rc) {
	case -EMFILE:
		return "; raise RLIMIT_NOFILE";
	case -ENFILE:
		return "; raise fs.file-max";
	case -EAGAIN:
		return "; raise RLIMIT_NPROC or the cgroup's pids.max";
	case -ENOMEM:
		return "; raise RLIMIT_AS, or add memory";
	default:
		return "";
	}
}

const char *il__lack_words(int rc)
{
	static IL__THREAD_LOCAL char words[160];

	snprintf(words, sizeof words, "%s%s", system_text(rc), lack_advice(rc));
	return words;
}

/* Descriptors are all that these two codes tell of, whatever the call. */
const char *il__system_words(int rc)
{
	return rc == -EMFILE || rc == -ENFILE ? il__lack_words(rc) : system_text(rc);
}

const char *il_strerror(int rc)
{
	const struct code *code = find_code(rc);
	if (rc >= 0)
		return "success";
	return code ? code->sentence : system_text(rc);
}

/* ---- the detail ---- */

IL__THREAD_LOCAL struct il__refusal il__refusal;

const char *il_error_detail(void)
{
	return il__refusal.words;
}

__attribute__((format(printf, 2, 0))) static int set_detail(int rc, const char *format,
							    va_list args)
{
	int saved = errno;

	il__text_format(il__refusal.words, sizeof il__refusal.words, format, args);
	errno = saved;
	il__refusal.rc = rc;
	il__refusal.own = true;
	return rc;
}

int il__refuse(int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_detail(rc, format, args);
	va_end(args);
	return rc;
}

int il__refuse_data(const char *function)
{
	return il__refuse(-EINVAL, "%s: the data is NULL, or its size was a negative number",
			  function);
}

int il__refuse_items(const char *function, const char *name, const void *items,
		     const char *count_name, size_t count)
{
	if (!items)
		return il__refuse(-EINVAL, "%s: %s is %td, and %s is NULL", function, count_name,
				  (ptrdiff_t)count, name);
	return il__refuse(-EINVAL, "%s: %s is %td; no array has so many elements", function,
			  count_name, (ptrdiff_t)count);
}

int il__check_limit(const char *function, const char *name, size_t limit)
{
	if (il__was_negative(limit) && limit != SIZE_MAX)
		return il__refuse(-EINVAL, "%s: %s is %td; SIZE_MAX is for no limit", function,
				  name, (ptrdiff_t)limit);
	return 0;
}

int il__check_limits(const char *function, const struct il__limit *limits)
{
	int rc = 0;

	for (; limits->name && rc == 0; limits++)
		rc = il__check_limit(function, limits->name, limits->limit);
	return rc;
}

int il_fail(int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_detail(rc, format, args);
	va_end(args);
	return rc;
}

bool il__has_refused(int rc)
{
	const struct il__refusal *r = &il__refusal;

	return rc < 0 && rc == r->rc && r->own && r->words[0];
}

char *il__keep_refusal(int rc)
{
	return il__has_refused(rc) ? il__strdup(il__refusal.words) : NULL;
}

int il__refuse_again(int rc, char *why)
{
	if (why)
		il__refuse(rc, "%s", why);
	else if (rc < 0)
		il__forget_refusal();
	il__free(why);
	return rc;
}

/* ---- the log ---- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*log_function)(int level, const char *message, void *arg);
static void *log_arg;

IL__AT_FORK(&log_lock, NULL);

void il_set_log(void (*log)(int level, const char *message, void *arg), void *arg)
{
	pthread_mutex_lock(&log_lock);
	log_function = log;
	log_arg = arg;
	pthread_mutex_unlock(&log_lock);
}

/* stderr may be a pipe whose reader has gone. */
static void log_write_line(const char *level, const char *text)
{
	struct il__os_sigpipe before;
	bool raised;

	il__os_sigpipe_block(&before);
	raised = fprintf(stderr, "interloop: %s: %s\n", level, text) < 0 && errno == EPIPE;
	il__os_sigpipe_restore(&before, raised);
}

void il__log(int level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	void (*log)(int, const char *, void *);
	void *arg;
	char text[512];
	va_list args;
	int saved = errno;

	pthread_mutex_lock(&log_lock);
	log = log_function;
	arg = log_arg;
	pthread_mutex_unlock(&log_lock);
	if (log || level <= IL_LOG_WARNING) {
		va_start(args, format);
		il__text_format(text, sizeof text, format, args);
		va_end(args);
		if (log)
			IL__GUARDED(log(level, text, arg));
		else
			log_write_line(names[level], text);
	}
	errno = saved;
}

void il__fatal(const char *format, ...)
{
	struct il__os_sigpipe before;
	char text[512];
	va_list args;

	il__os_sigpipe_block(&before); /* it is to end by abort */
	va_start(args, format);
	il__text_format(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "interloop: fatal: %s\n", text);
	abort();
}
