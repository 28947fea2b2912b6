/*
 * admin.c: what a job server is told as by an administrator, in lines of text on a connection of its own, which is there once it is
 * needed: to forget a call that nobody has begun, and to list the names that its workers have. The portal's thread.
 */
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 1024, AT_ONCE = 64, COMMAND = 12 + IL__REMOTE_HANDLE_MAX };

static int receive_line(il_stream *stream, char line[LINE])
{
	int n = il_stream_receive_until(stream, line, LINE - 1, "\n", 1);

	if (n < 0)
		return n;
	line[n] = 0;
	return 0;
}

/* ---- a call to be forgotten ---- */

/* The first of those that are given up; how many. */
static int next_cancels(struct il__remote_server *s, char handles[][IL__REMOTE_HANDLE_MAX + 1])
{
	struct il__remote_node *n;
	int count = 0;

	pthread_mutex_lock(&s->pool->lock);
	for (n = s->cancels.first; n && count < AT_ONCE; n = n->next) {
		strcpy(handles[count++], il__remote_cancelled_at(n)->handle);
		il__remote_cancelled_at(n)->cancelling = IL__REMOTE_TOLD;
	}
	pthread_mutex_unlock(&s->pool->lock);
	return count;
}

/* Done, the server says that the call has failed, also of one that a worker has just begun, and which goes on; who has cancelled does
 * not wait for that. Else a failure that has come was its worker's; and unknown, the call has ended by itself, so its answer is here or
 * on its way. Or the server has done it, and the connection broke before we read so: such a call never ran and ends as one that may
 * have. A server that cannot do it says neither, and who has cancelled does not wait for it. */
static void note_cancelled(struct il__remote_server *s, const char *handle, const char *reply)
{
	struct il__remote_out *out = il__remote_handles_find(&s->handles, handle);
	bool done = strncmp(reply, "OK", 2) == 0, unserved, unwanted;
	bool unknown = strncmp(reply, "ERR UNKNOWN_JOB", 15) == 0;

	s->replied = il__remote_clock(&s->connection);
	if (!out)
		return;
	pthread_mutex_lock(&s->pool->lock);
	if (out->cancel.list)
		il__remote_list_remove(&out->cancel);
	if (!out->dropped && unknown)
		il__remote_is_served(out);
	unserved = out->verdict == -ENOENT;
	if (done && !out->verdict)
		out->dropped = false; /* it runs, and has not failed */
	unwanted = out->verdict == -ECANCELED && !unknown;
	pthread_mutex_unlock(&s->pool->lock);
	if (out->cancelling == IL__REMOTE_TOLD) /* its failure has not come */
		out->cancelling = done ? IL__REMOTE_DONE : IL__REMOTE_KEPT;
	if (out->cancelling == IL__REMOTE_DONE)
		out->heard = s->replied;
	if (done) {
		if (unwanted)
			il__remote_end_cancelled(out);
	} else if (out->dropped) {
		il__remote_lose_failed(out);
	} else if (unserved || unwanted) {
		il__remote_end_unserved(out);
	}
}

static int send_cancels(il_stream *stream, char handles[][IL__REMOTE_HANDLE_MAX + 1], int count)
{
	char lines[AT_ONCE * COMMAND + 1];
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += (size_t)snprintf(lines + size, sizeof lines - size, "cancel job %s\n",
					 handles[i]);
	return il_stream_write_all(stream, lines, size);
}

/* Many at once, for each reply takes the way there and back. As long as replies come, those behind wait their turn. */
static int cancel_calls(struct il__remote_server *s, il_stream *stream, il_scope *scope)
{
	char handles[AT_ONCE][IL__REMOTE_HANDLE_MAX + 1], line[LINE];
	int rc = 0, count;

	while (rc == 0 && (count = next_cancels(s, handles)) > 0) {
		rc = send_cancels(stream, handles, count);
		for (int i = 0; i < count && rc == 0; i++) {
			rc = receive_line(stream, line);
			if (rc == 0)
				note_cancelled(s, handles[i], line);
		}
		il_scope_set_deadline(scope, il_deadline(3 * s->pool->options.heartbeat));
	}
	return rc;
}

/* ---- names ---- */

/* The list ends with a line of one dot; a name may begin with one. */
static bool is_last(const char *line)
{
	return strcmp(line, ".") == 0 || strcmp(line, ".\r") == 0;
}

static int ask_names(struct il__remote_server *s, il_stream *stream)
{
	char line[LINE];
	int rc = il_stream_write_all(stream, "status\n", 7);

	while (rc == 0) {
		rc = receive_line(stream, line);
		if (rc == 0 && is_last(line))
			break;
		if (rc == 0)
			il__remote_name_seen(s->pool, s->index, line);
	}
	return rc;
}

/* ---- the connection ---- */

static int do_all(struct il__remote_server *s, il_stream *stream, il_scope *scope)
{
	int rc = cancel_calls(s, stream, scope);

	if (rc == 0 && s->wants_names) {
		s->wants_names = false;
		rc = ask_names(s, stream);
		if (rc == 0)
			il__remote_judge_names(s);
	}
	return rc;
}

/* One that was kept has had no beats, and may have died long ago: it has one, and then there is a new one. */
static int open_and_do_all(struct il__remote_server *s, il_stream **stream)
{
	const il_remote_pool_options *o = &s->pool->options;
	const struct il__remote_endpoint to = {s->name, o->layer, 3 * o->heartbeat, o->heartbeat};
	const il_time limit = *stream ? o->heartbeat : 3 * o->heartbeat;
	il_scope scope = IL_SCOPE_INIT;
	int rc = il_scope_enter(&scope, il_deadline(limit), IL_FAIL_AT_DEADLINE);

	if (rc < 0)
		return rc;
	rc = *stream ? 0 : il__remote_open_stream(stream, &to);
	if (rc == 0)
		rc = do_all(s, *stream, &scope);
	return il_scope_exit(&scope, rc);
}

/* Whatever fails here is tried again: what the server is needed for goes over its other connection. */
int il__remote_administer(void *arg)
{
	struct il__remote_server *s = arg;
	il_stream *stream = NULL;
	int rc;

	while ((rc = il_semaphore_acquire(s->admin_work)) == 0) {
		rc = open_and_do_all(s, &stream);
		if (rc == 0)
			continue;
		il_stream_destroy(stream);
		stream = NULL;
		if (rc == -ECANCELED || (rc = il_sleep(IL_MSEC(50))) < 0)
			return rc;
		il__remote_ring(s->admin_work);
	}
	il_stream_destroy(stream);
	return rc;
}
