/*
 * example.c: the options of the command line and the exit code, for every example.
 */
#include "example.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_t main_thread;
static const char *usage = NULL; /* set once the command line was looked at */

static _Noreturn void refuse(char **argv, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s %s\nusage: %s %s\n", argv[0], what, why, argv[0], usage);
	exit(2);
}

static bool is_known(const char *name)
{
	char known[64];
	snprintf(known, sizeof(known), "[%s ", name);
	return strncmp(name, "--", 2) == 0 && strstr(usage, known);
}

void example_options(int argc, char **argv, const char *all)
{
	usage = all;
	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--help") == 0) {
			printf("usage: %s %s\n", argv[0], usage);
			exit(0);
		}
		if (!is_known(argv[i]))
			refuse(argv, argv[i], "is no option of this program");
		if (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0)
			refuse(argv, argv[i], "needs a value");
	}
}

const char *example_option(int argc, char **argv, const char *name, const char *fallback)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return fallback;
}

long example_number(int argc, char **argv, const char *name, long fallback, long most)
{
	const char *text = example_option(argc, argv, name, NULL);
	char *end;
	if (!text)
		return fallback;
	char what[64];
	snprintf(what, sizeof(what), "needs a number from 0 to %ld", most);
	errno = 0;
	long number = strtol(text, &end, 10);
	if (end == text || *end || errno || number < 0 || number > most)
		refuse(argv, name, what);
	return number;
}

const il_backend *example_backend(int argc, char **argv)
{
	/* A line at a time, also into a pipe: whoever drives the example reads along. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!usage)
		example_options(argc, argv, "[--backend NAME]");
	main_thread = pthread_self();
	const il_backend *backend = il_backend_find(example_option(argc, argv, "--backend", NULL));
	if (!backend) {
		fprintf(stderr, "%s: %s\n", argv[0], il_error_detail());
		exit(2);
	}
	return backend;
}

int example_exit(int rc)
{
	if (rc >= 0)
		return 0;
	if (rc == -EINTR) {
		printf("stopped by SIGINT\n");
		return 0;
	}
	fprintf(stderr, "failed: %s (%s) %s\n", il_error_name(rc), il_strerror(rc),
		il_error_detail());
	return 1;
}

int example_main(int argc, char **argv, il_fn *fn, void *arg)
{
	return example_exit(il_run(example_backend(argc, argv), fn, arg));
}

bool example_is_text(const il_packet *line)
{
	return !memchr(line->data, '\0', line->size);
}

int example_serve(il_server *server)
{
	printf("listening on port %u\n", il_server_port(server));
	int rc = il_server_serve(server);
	il_server_destroy(server);
	return rc;
}

int example_stop_on_sigterm(void *server)
{
	il_signal_receiver *signals;
	int rc = il_signal_receiver_open(&signals, (const int[]){SIGTERM}, 1);
	if (rc < 0)
		return rc;
	rc = il_signal_receiver_next(signals, IL_FOREVER);
	if (rc == SIGTERM)
		printf("stopped by SIGTERM\n");
	for (; rc == SIGTERM; rc = il_signal_receiver_next(signals, IL_FOREVER))
		il_server_shutdown(server); /* in a task of the server it does not wait */
	il_signal_receiver_destroy(signals);
	return rc;
}

void example_block(int milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

bool example_in_main_thread(void)
{
	return pthread_equal(main_thread, pthread_self());
}
