/*
 * os_sigpipe.c: SIGPIPE kept from this thread for the length of a write. Any thread.
 */
#include "os.h"

#include <time.h>

/* Takes back the SIGPIPE that our own write raised for this thread while it was blocked. */
static void discard_sigpipe(void)
{
	sigset_t pipe_only;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
#ifdef __APPLE__
	int signal_number;
	sigset_t pending;

	if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE))
		sigwait(&pipe_only, &signal_number);
#else
	const struct timespec at_once = {0, 0};

	while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
		;
#endif
}

void il__os_sigpipe_block(struct il__os_sigpipe *before)
{
	sigset_t pipe_only;

	sigemptyset(&before->pending);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before->mask);
	if (sigismember(&before->mask, SIGPIPE))
		sigpending(&before->pending);
}

void il__os_sigpipe_restore(const struct il__os_sigpipe *before, bool raised)
{
	if (raised && !sigismember(&before->pending, SIGPIPE))
		discard_sigpipe();
	pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}
