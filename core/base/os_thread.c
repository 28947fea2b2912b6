/*
 * os_thread.c: the library's threads and what they are called, run on and interrupted by. Any thread may
 * enter.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base.h"
#include "error.h"
#include "fork.h"
#include "memory.h"
#include "os.h"
#include "os_origin.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* What a thread of ours is, as long as it runs. */
struct thread {
	void *(*main)(void *);
	void *arg;
	sigset_t outside; /* the mask of who started it: a child that it forks has that one again */
};

static IL__THREAD_LOCAL struct thread *this_thread;

static void forget_thread(void *thread)
{
	this_thread = NULL;
	il__free(thread);
}

/* However it ends. */
static void *thread_main(void *arg)
{
	void *result;

	this_thread = arg;
	il__os_be_as_loaded();
	pthread_cleanup_push(forget_thread, arg);
	result = this_thread->main(this_thread->arg);
	pthread_cleanup_pop(1);
	return result;
}

static void restore_mask(void)
{
	if (this_thread)
		pthread_sigmask(SIG_SETMASK, &this_thread->outside, NULL);
}

IL__AT_FORK(NULL, restore_mask);

/* What the thread itself brings about is its own: a crash handler of the application's must see it. */
static void fill_with_others_signals(sigset_t *set)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

	sigfillset(set);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		sigdelset(set, own[i]);
}

static int thread_start(pthread_t *thread, const pthread_attr_t *attr, struct thread *t)
{
	sigset_t others, outside;
	int rc;

	fill_with_others_signals(&others);
	pthread_sigmask(SIG_SETMASK, &others, &outside);
	t->outside = outside;
	rc = pthread_create(thread, attr, thread_main, t); /* which may have freed t by now */
	pthread_sigmask(SIG_SETMASK, &outside, NULL);
	return rc;
}

/* Whatever failed, the caller finds words of this failure, or none. -EAGAIN is a full queue's code; what lacks here is
 * a resource. */
static int refuse_thread(int error)
{
	if (error == EAGAIN || error == ENOMEM)
		return il__refuse(-ENOMEM,
				  "no thread could be made, for want of threads or of memory: %s",
				  il__lack_words(-error));
	return il__no_words(-error);
}

int il__os_thread_start(pthread_t *thread, size_t stack_size, void *(*main)(void *), void *arg)
{
	struct thread *t = il__malloc(sizeof *t);
	pthread_attr_t attr;
	int rc = t ? pthread_attr_init(&attr) : ENOMEM;

	if (rc) {
		il__free(t);
		return refuse_thread(rc);
	}
	t->main = main;
	t->arg = arg;
	pthread_attr_setguardsize(&attr, IL__GUARD_SIZE);
	if (stack_size) {
		size_t page = il__os_page_size();
		size_t size =
		    stack_size < (size_t)PTHREAD_STACK_MIN ? (size_t)PTHREAD_STACK_MIN : stack_size;
		pthread_attr_setstacksize(&attr, (size + page - 1) / page * page);
	}
	rc = thread_start(thread, &attr, t);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return 0;
	il__free(t);
	return refuse_thread(rc);
}

void il__os_thread_name(const char *name, char saved[16])
{
#ifdef __linux__
	char cut[16];

	if (saved)
		pthread_getname_np(pthread_self(), saved, 16);
	snprintf(cut, sizeof cut, "%s", name);
	pthread_setname_np(pthread_self(), cut);
#else
	if (saved)
		saved[0] = 0;
	(void)name;
#endif
}

bool il__os_is_main_thread(void)
{
#ifdef __linux__
	return gettid() == getpid();
#else
	return false;
#endif
}
