/*
 * subject.c: the server that is abused, in a process of its own. It echoes packets, tells of packets that
 * are none, and does as it is told by two: "big" is answered by 60,000 bytes, "thread" by what
 * il_run_in_thread answered. It ends when the scenario closes its control pipe, or dies.
 */
#include "abuse.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern const il_backend *backend;

enum { BIG = 60000 };

/* Of the subject's process. */
static struct subject_options options;
static int control;
static char big[BIG];

/* ---- the handler ---- */

static int begin(il_client *client, void *data)
{
	struct state *state = data;
	long now = (long)il_server_clients(il_client_server(client));

	atomic_fetch_add(&state->connected, 1);
	if (now > atomic_load(&state->most))
		atomic_store(&state->most, now);
	return 0;
}

static void end(il_client *client, void *data)
{
	struct state *state = data;

	(void)client;
	atomic_fetch_add(&state->disconnected, 1);
}

static int reply(il_client *client, const char *text)
{
	return il_client_send(client, text, strlen(text));
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static bool is(const il_packet *p, const char *text)
{
	return p->size == strlen(text) && memcmp(p->data, text, p->size) == 0;
}

static int handle(il_client *client, void *data)
{
	struct state *state = data;
	il_packet p;
	int rc = il_client_receive(client, &p, options.patience ? options.patience : IL_FOREVER);

	if (rc == -ETIMEDOUT)
		return 0;
	if (rc == -EMSGSIZE || rc == -EBADMSG) {
		atomic_fetch_add(rc == -EMSGSIZE ? &state->too_large : &state->bad, 1);
		return options.strict ? rc : reply(client, il_error_name(rc));
	}
	if (rc <= 0)
		return rc;
	atomic_fetch_add(&state->packets, 1);
	if (is(&p, "big"))
		return il_client_send(client, big, BIG);
	if (is(&p, "thread"))
		return reply(client, il_error_name(il_run_in_thread(do_nothing, NULL)));
	return il_client_send(client, p.data, p.size);
}

/* ---- the process ---- */

static void count_line(int level, const char *message, void *arg)
{
	struct state *state = arg;

	atomic_fetch_add(&state->logged[level], 1);
	if (level <= IL_LOG_WARNING)
		snprintf(state->last_line, sizeof state->last_line, "%s", message);
}

static int shut_down_when_told(void *server)
{
	int rc = il_wait_readable(control);

	return rc < 0 ? rc : il_server_shutdown(server);
}

static int subject_main(void *arg)
{
	static const il_handler handler = {
	    .on_connection = begin, .handle = handle, .on_disconnection = end};
	const il_protocol *protocol =
	    options.protocol.find ? &options.protocol : il_protocol_lines();
	struct state *state = arg;
	il_server *server;
	il_group group;
	int rc = il_tcp_server_open(&server, "127.0.0.1", "0", protocol, &handler, state,
				    &options.server);

	if (rc < 0)
		return rc;
	memset(big, 'b', BIG);
	rc = il_group_open(&group);
	if (rc == 0)
		rc = il_group_start_soon(&group, NULL, shut_down_when_told, server);
	atomic_store(&state->port, il_server_port(server));
	rc = il_group_close(&group, rc < 0 ? rc : il_server_serve(server));
	il_server_destroy(server);
	return rc;
}

/* ---- the scenario's side ---- */

void subject_start(struct subject *s, const struct subject_options *o)
{
	int ends[2];

	s->state =
	    mmap(NULL, sizeof *s->state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(s->state != MAP_FAILED);
	refusing = s->state;
	CHECK(pipe(ends) == 0);
	fflush(NULL);
	s->pid = fork();
	CHECK(s->pid >= 0);
	if (s->pid == 0) {
		close(ends[1]);
		control = ends[0];
		options = *o;
		options.server.quiet = true;
		il_set_log(count_line, s->state);
		refuse_begin();
		exit(il_run(backend, subject_main, s->state) == 0 ? 0 : 1);
	}
	close(ends[0]);
	s->control = ends[1];
	UNTIL(atomic_load(&s->state->port));
	if (!o->protocol.find)
		be_answered(s); /* from now on it has what every server has */
	else
		hang_up(dial(s));
	UNTIL(atomic_load(&s->state->disconnected) > 0 && subject_clients(s) == 0);
	s->rss = subject_rss(s);
	s->fds = subject_fds(s);
}

void subject_end(struct subject *s)
{
	int status;

	close(s->control);
	CHECK(waitpid(s->pid, &status, 0) == s->pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(subject_clients(s) == 0);
	refusing = NULL;
	munmap(s->state, sizeof *s->state);
}

long subject_clients(const struct subject *s)
{
	long left =
	    atomic_load(&s->state->disconnected); /* first: a client that comes is not lost */

	return atomic_load(&s->state->connected) - left;
}

void subject_is_empty(const struct subject *s)
{
	UNTIL(subject_clients(s) == 0);
	UNTIL(subject_fds(s) == s->fds);
}

long subject_rss(const struct subject *s)
{
	char path[40];
	long pages = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/statm", (long)s->pid);
	f = fopen(path, "r");
	CHECK(f != NULL && fscanf(f, "%*d %ld", &pages) == 1);
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

int subject_fds(const struct subject *s)
{
	char path[40];
	int count = 0;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)s->pid);
	d = opendir(path);
	CHECK(d != NULL);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}
