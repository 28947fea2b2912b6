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

/* How many values an option has: the words after it in its brackets; negative: it is unknown. */
static int values_of(const char *name)
{
	char known[64], alone[64];
	snprintf(known, sizeof(known), "[%s ", name);
	snprintf(alone, sizeof(alone), "[%s]", name);
	const char *at = strncmp(name, "--", 2) == 0 ? strstr(usage, known) : NULL;
	int count = 0;
	if (!at)
		return strncmp(name, "--", 2) == 0 && strstr(usage, alone) ? 0 : -1;
	for (; *at != ']'; at++)
		count += *at == ' ';
	return count;
}

void example_options(int argc, char **argv, const char *all)
{
	usage = all;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			printf("usage: %s %s\n", argv[0], usage);
			exit(0);
		}
		const char *name = argv[i];
		int count = values_of(name);
		if (count < 0)
			refuse(argv, name, "is no option of this program");
		for (; count > 0; count--, i++)
			if (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0)
				refuse(argv, name, "needs a value");
	}
}

char **example_values(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return argv + i + 1;
	return NULL;
}

const char *example_option(int argc, char **argv, const char *name, const char *fallback)
{
	char **values = example_values(argc, argv, name);
	return values ? values[0] : fallback;
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

int example_serve_beside(il_server *server, il_fn *visit)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc == 0) {
		rc = il_group_start_soon(&group, NULL, visit, server);
		if (rc == 0)
			rc = il_server_serve(server);
		rc = il_group_close(&group, rc);
	}
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
