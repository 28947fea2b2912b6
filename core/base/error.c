/*
 * error.c: results in words, and the log. The detail of the last refusal is kept per thread; the log
 * function may be swapped at any time by any thread, so both of its words are read under one lock.
 */
#include "base.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

struct code {
	int rc;
	const char *name;
	const char *sentence; /* NULL: the system's own */
};

static const struct code codes[] = {
    {-ECANCELED, "ECANCELED", "the surrounding scope, the task or the future was cancelled"},
    {-ETIMEDOUT, "ETIMEDOUT", "the timeout or deadline passed"},
    {-EPERM, "EPERM", "called from the wrong thread, or waited in a place that may not wait"},
    {-EDEADLK, "EDEADLK", "the call would wait for itself for ever"},
    {-ESHUTDOWN, "ESHUTDOWN", "it is closed to new work, or was inherited across fork"},
    {-EBUSY, "EBUSY", "somebody else already waits there, or it is still in use"},
    {-EAGAIN, "EAGAIN", "the queue is full, or it would have to wait"},
    {-EINVAL, "EINVAL", "an argument is out of range"},
    {-ENOTSUP, "ENOTSUP", "not possible on this system"},
    {-EALREADY, "EALREADY", "it has happened already, or is out of order"},
    {-EPROTO, "EPROTO", "the task ended without calling il_task_started"},
    {-EBADF, "EBADF", "this end is closed"},
    {-EPIPE, "EPIPE", "the other end is gone"},
    {-ENODATA, "ENODATA", "the stream ended inside what was to be received"},
    {-EINTR, "EINTR", "SIGINT ended it"},
    {-EOWNERDEAD, "EOWNERDEAD", "the worker process, or the owner of the lock, died"},
    {-ENOTRECOVERABLE, "ENOTRECOVERABLE", "the executor is broken"},
    {-EBADMSG, "EBADMSG", "the bytes are not a valid packet"},
    {-EMSGSIZE, "EMSGSIZE", "the packet is larger than the limit"},
    {-ENOENT, "ENOENT", "no backend, function, host or file of that name"},
    {-ENOMEM, "ENOMEM", NULL},
    {-EMFILE, "EMFILE", NULL},
    {-ENFILE, "ENFILE", NULL},
    {-EACCES, "EACCES", NULL},
    {-EIO, "EIO", NULL},
    {-EEXIST, "EEXIST", NULL},
    {-EFAULT, "EFAULT", NULL},
    {-ERANGE, "ERANGE", NULL},
    {-ENOSYS, "ENOSYS", NULL},
    {-ENOSPC, "ENOSPC", NULL},
    {-ECHILD, "ECHILD", NULL},
    {-ESRCH, "ESRCH", NULL},
    {-ECONNREFUSED, "ECONNREFUSED", NULL},
    {-ECONNRESET, "ECONNRESET", NULL},
    {-ECONNABORTED, "ECONNABORTED", NULL},
    {-EADDRINUSE, "EADDRINUSE", NULL},
    {-EADDRNOTAVAIL, "EADDRNOTAVAIL", NULL},
    {-EAFNOSUPPORT, "EAFNOSUPPORT", NULL},
    {-EHOSTUNREACH, "EHOSTUNREACH", NULL},
    {-ENETUNREACH, "ENETUNREACH", NULL},
    {-ENOTCONN, "ENOTCONN", NULL},
    {-ENOTSOCK, "ENOTSOCK", NULL},
    {-EISCONN, "EISCONN", NULL},
    {-ENAMETOOLONG, "ENAMETOOLONG", NULL},
    {-ENOBUFS, "ENOBUFS", NULL},
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

const char *il_error_name(int rc)
{
	const struct code *code = find_code(rc);

	if (rc >= 0)
		return "OK";
	return code ? code->name : "unknown";
}

const char *il_strerror(int rc)
{
	const struct code *code = find_code(rc);
	if (rc >= 0)
		return "success";
	/* glibc's strerror keeps its own text for each known number: static. */
	return code && code->sentence ? code->sentence : strerror(rc < -INT_MAX ? INT_MAX : -rc);
}

/* ---- the detail ---- */

static IL__THREAD_LOCAL char detail[240];
static IL__THREAD_LOCAL int refused; /* with which code */

const char *il_error_detail(void)
{
	return detail;
}

__attribute__((format(printf, 2, 0))) static int set_detail(int rc, const char *format,
							    va_list args)
{
	int saved = errno;

	il__text_format(detail, sizeof detail, format, args);
	errno = saved;
	refused = rc;
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

int il_fail(int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_detail(rc, format, args);
	va_end(args);
	return rc;
}

void il__forget_refusal(void)
{
	detail[0] = 0;
	refused = 0;
}

char *il__keep_refusal(int rc)
{
	return rc < 0 && rc == refused && detail[0] ? strdup(detail) : NULL;
}

int il__refuse_again(int rc, char *why)
{
	if (why)
		il__refuse(rc, "%s", why);
	else if (rc < 0)
		il__forget_refusal();
	free(why);
	return rc;
}

/* ---- the log ---- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*log_function)(int level, const char *message, void *arg);
static void *log_arg;

/* Around fork: the child must not find it held by a thread that it does not have. */
void il__log_hold(void)
{
	pthread_mutex_lock(&log_lock);
}

void il__log_release(void)
{
	pthread_mutex_unlock(&log_lock);
}

void il_set_log(void (*log)(int level, const char *message, void *arg), void *arg)
{
	pthread_mutex_lock(&log_lock);
	log_function = log;
	log_arg = arg;
	pthread_mutex_unlock(&log_lock);
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
			log(level, text, arg);
		else
			fprintf(stderr, "interloop: %s: %s\n", names[level], text);
	}
	errno = saved;
}

void il__fatal(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	il__text_format(text, sizeof text, format, args);
	va_end(args);
	fprintf(stderr, "interloop: fatal: %s\n", text);
	abort();
}
