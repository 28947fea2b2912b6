/*
 * dump_signal.c: il_dump_on_signal. The handler writes a descriptor, where a thread waits that writes the dump: so it
 * comes also while every loop of the process is stuck. Any thread, one at a time: `changing`, which is no lock, for the
 * one of signal_handler.c is taken meanwhile.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* secure_getenv */
#endif
#include "dump_signal.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/load.h"
#include "../base/os.h"
#include "loops.h"
#include "signal_handler.h"

#include <interloop/inspect.h>

#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static struct {
	atomic_bool changing;
	int number; /* 0: off */
	int wake[2];
	pthread_t thread;
	atomic_bool
	    asked; /* set by the handler, before it writes the descriptor; taken by the thread before a dump */
	atomic_bool ends;
} dumper = {.wake = {-1, -1}};

/* ---- the handler, and the thread ---- */

/* Any thread, at any moment. */
static void dump_on_arrived(struct il__signal_use *use, int number, bool heard)
{
	(void)use;
	(void)number;
	(void)heard;
	atomic_store(&dumper.asked, true);
	il__os_wake_write(dumper.wake[1]);
}

static struct il__signal_use use = {.arrived = dump_on_arrived};

/* What came before the end is still written. */
static void *dump_thread(void *unused)
{
	struct pollfd p = {.fd = dumper.wake[0], .events = POLLIN};
	bool ends;

	(void)unused;
	il__os_thread_name("il-dump", NULL);
	do {
		poll(&p, 1, -1);
		il__os_wake_drain(p.fd);
		ends = atomic_load(&dumper.ends);
		if (atomic_exchange(&dumper.asked, false))
			il_dump(STDERR_FILENO);
	} while (!ends);
	return NULL;
}

static void wake_close(void)
{
	int wake[2] = {dumper.wake[0], dumper.wake[1]};

	dumper.wake[0] = dumper.wake[1] = -1;
	il__os_wake_close(wake);
}

static int thread_begin(void)
{
	int rc = il__os_wake_open(dumper.wake);

	if (rc < 0)
		return il__refuse(rc, "il_dump_on_signal: no descriptor for wake-ups: %s",
				  il__system_words(rc));
	atomic_store(&dumper.asked, false);
	atomic_store(&dumper.ends, false);
	rc = il__os_thread_start(&dumper.thread, 0, dump_thread, NULL);
	if (rc < 0) {
		wake_close();
		return il__has_refused(rc) ? rc : il__refuse(rc, "il_dump_on_signal: no thread");
	}
	return 0;
}

/* No handler writes the descriptor any more. */
static void thread_end(void)
{
	atomic_store(&dumper.ends, true);
	il__os_wake_write(dumper.wake[1]);
	pthread_join(dumper.thread, NULL);
	wake_close();
}

/* ---- il_dump_on_signal ---- */

/* Whether nobody has a handler for it; a shell may have it ignored, which is not taking it. The flags do not tell: those
 * of a handler that served once (SA_RESETHAND) stay. */
static int signal_check_free(int number)
{
	struct sigaction now;

	if (number < 0 || number >= NSIG || il__signal_is_fault(number) ||
	    sigaction(number, NULL, &now) < 0)
		return il__refuse(-EINVAL,
				  "il_dump_on_signal: %d is no signal that may be caught, such as "
				  "SIGQUIT or SIGUSR1; 0 ends it",
				  number);
	if (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN)
		return il__refuse(
		    -EBUSY, "il_dump_on_signal: signal %d has a handler already; name another one",
		    number);
	return 0;
}

static int dump_begin_on(int number)
{
	int rc = il__signal_begin(IL__SIGNAL_RECEIVER, number, &use);

	if (rc == -EBUSY)
		return il__refuse(rc, "il_dump_on_signal: signal %d has a receiver", number);
	return rc < 0 ? il__refuse(rc, "il_dump_on_signal: signal %d cannot be caught: %s", number,
				   il__system_words(rc))
		      : 0;
}

static void dump_off(void)
{
	if (!dumper.number)
		return;
	il__signal_end(IL__SIGNAL_RECEIVER, dumper.number);
	dumper.number = 0;
	thread_end();
}

static int dump_on(int number)
{
	const int before = dumper.number;
	int rc = signal_check_free(number);

	if (rc == 0 && !before)
		rc = thread_begin();
	if (rc < 0)
		return rc;
	if (number == before) { /* our handler was taken away */
		il__signal_end(IL__SIGNAL_RECEIVER, before);
		dumper.number = 0;
	}
	rc = dump_begin_on(number);
	if (rc < 0 && !dumper.number)
		thread_end();
	if (rc < 0)
		return rc;
	if (dumper.number)
		il__signal_end(IL__SIGNAL_RECEIVER, before);
	dumper.number = number;
	return 0;
}

int il_dump_on_signal(int number)
{
	int rc = 0;

	if (atomic_exchange(&dumper.changing, true))
		return il__refuse(-EBUSY, "il_dump_on_signal: another thread is in this function");
	if (number == 0)
		dump_off();
	else if (number != dumper.number || !il__signal_is_held(IL__SIGNAL_RECEIVER, number))
		rc = dump_on(number);
	atomic_store(&dumper.changing, false);
	return rc;
}

/* ---- $INTERLOOP_DUMP_SIGNAL ---- */

static const struct {
	const char *name;
	int number;
} signal_names[] = {
    {"HUP", SIGHUP},     {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},   {"PIPE", SIGPIPE},     {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD},   {"CONT", SIGCONT},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},   {"URG", SIGURG},       {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
    {"PROF", SIGPROF},   {"VTALRM", SIGVTALRM},
#ifdef SIGWINCH
    {"WINCH", SIGWINCH},
#endif
#ifdef SIGIO
    {"IO", SIGIO},
#endif
#ifdef SIGPWR
    {"PWR", SIGPWR},
#endif
};

/* "QUIT", "SIGQUIT", "3". -EINVAL: neither. */
static int signal_from_text(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	char *end;
	long number = strtol(text, &end, 10);

	if (end != text && !*end)
		return number > 0 && number < NSIG ? (int)number : -EINVAL;
	for (size_t i = 0; i < sizeof signal_names / sizeof signal_names[0]; i++)
		if (strcasecmp(name, signal_names[i].name) == 0)
			return signal_names[i].number;
	return -EINVAL;
}

/* 0: it is not set. */
static int signal_from_environment(const char **text)
{
	*text = secure_getenv("INTERLOOP_DUMP_SIGNAL");
	return *text && **text ? signal_from_text(*text) : 0;
}

static atomic_bool obeyed;

static void dump_at_exit(void)
{
	il_dump_on_signal(0);
}

/* When a loop has opened: the first one of a process obeys the variable. */
static void dump_from_environment(void)
{
	const char *text;
	int rc;

	if (atomic_load_explicit(&obeyed, memory_order_relaxed) || atomic_exchange(&obeyed, true))
		return;
	rc = signal_from_environment(&text);
	if (rc == -EINVAL)
		il__refuse(rc,
			   "\"%s\" is neither the name nor the number of a signal, such as QUIT",
			   text);
	if (rc > 0)
		rc = il_dump_on_signal(rc);
	if (rc < 0) {
		il__log(IL_LOG_WARNING, "INTERLOOP_DUMP_SIGNAL: no signal brings a dump: %s",
			il_error_detail());
		il__forget_refusal();
	} else if (text && *text) {
		atexit(dump_at_exit);
	}
}

void il__dump_signal_ignore(void)
{
	const char *text;
	int number = signal_from_environment(&text);

	atomic_store(&obeyed, true);
	if (number > 0 && signal_check_free(number) == 0)
		signal(number, SIG_IGN);
	il__forget_refusal();
}

/* ---- fork: the thread stayed with the parent, and signal_handler.c puts back what was there before ---- */

static void dumper_forget(void)
{
	if (dumper.wake[0] >= 0)
		wake_close();
	dumper.number = 0;
	atomic_store(&dumper.changing, false);
	atomic_store(&obeyed, false);
}

IL__AT_FORK(NULL, dumper_forget);

static void dumper_at_load(void)
{
	il__loops_on_add(dump_from_environment);
}
IL__AT_LOAD(dumper_at_load, IL__LOADED);
