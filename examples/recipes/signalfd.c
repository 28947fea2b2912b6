/*
 * signalfd.c: signals with all that siginfo has, in a task. (il_signal_receiver is simpler, and needs no mask.)
 */
#include <interloop.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* [signalfd] */
static int take_signals(void *mask)
{
	struct signalfd_siginfo info;
	int fd = signalfd(-1, mask, SFD_NONBLOCK | SFD_CLOEXEC), rc = fd < 0 ? -errno : 0;
	while (rc == 0 && (rc = il_wait_readable(fd)) == 0)
		while (read(fd, &info, sizeof(info)) == sizeof(info)) {
			printf("signal %u with the value %d\n", info.ssi_signo, info.ssi_int);
			if (info.ssi_signo == SIGTERM)
				rc = -ECANCELED; /* the end */
		}
	if (fd >= 0)
		close(fd);
	return rc == -ECANCELED ? 0 : rc;
}
/* [signalfd] */

int main(void)
{
	const il_backend *backend = il_backend_find(NULL);
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL); /* before there are threads */
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 42});
	sigqueue(getpid(), SIGTERM, (union sigval){.sival_int = 0});
	return !backend || il_run(backend, take_signals, &mask) < 0;
}
